/** Why a file cannot be read, in words that help. @param cause  What the system said. */
export function unreadable(path: string, cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return `there is no file ${path}`;
    case "EACCES":
      return `this user may not read ${path}`;
    case "EISDIR":
      return `${path} is a directory`;
    default:
      return `${path} cannot be read: ${message}`;
  }
}
