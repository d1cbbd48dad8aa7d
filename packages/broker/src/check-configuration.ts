import { UsageError } from "@sericite/protocol";
import { checkAclFile } from "./auth/acl-configured.ts";
import { readEntryFiles } from "./entry.ts";
import type { OwnListenOptions } from "./listen-options.ts";
import { CertificateFiles, checkPlaces, listenersOf, planOf } from "./listen-plan.ts";
import type { ListenPlan } from "./listen-plan.ts";
import type { Settings } from "./settings.ts";

/**
 * Makes the checks of making a broker and opening its listeners, and does neither: users, keys of
 * tokens, rules, certificates. Whether a port is free it cannot tell, nor what a store holds.
 *
 * @param listeners  The list that `listenAsConfigured` is to be given.
 * @throws UsageError that names all that is wrong, a line for each.
 */
export function checkConfiguration(
  settings: Settings,
  listeners: readonly OwnListenOptions[] = [],
): void {
  const problems = new Map<string, UsageError>();
  const check = (prefix: string, run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      // Listeners that show the same files have the same to complain about.
      if (![...problems.values()].some(({ message }) => message === error.message))
        problems.set(prefix + error.message, error);
    }
  };
  const { auth, jwt } = settings;
  check("", () => void readEntryFiles({ auth, jwt: { ...jwt, keyFile: "" } }));
  check("", () => void readEntryFiles({ auth: { ...auth, passwordFile: "" }, jwt }));
  check("", () => checkAclFile(settings.auth));
  const files = new CertificateFiles(settings);
  const wanted = [
    ...listenersOf(settings).map((options) => ({ path: "", options })),
    ...listeners.map((options, index) => ({ path: `listeners[${index}]`, options })),
  ];
  const plans: { path: string; plan: ListenPlan }[] = [];
  for (const { path, options } of wanted) {
    check(path === "" ? "" : `${path}: `, () => {
      const plan = planOf(options, settings);
      files.of(plan);
      plans.push({ path, plan });
    });
  }
  check("", () => checkPlaces(plans));
  const [first] = problems.values();
  if (first !== undefined) throw new UsageError(first.code, [...problems.keys()].join("\n"));
}
