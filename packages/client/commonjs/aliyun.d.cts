// Made by `npm run docs` from what the ES module exports. Do not edit.
export type * from "../dist/aliyun.js" with { "resolution-mode": "import" };
import type * as door from "../dist/aliyun.js" with { "resolution-mode": "import" };
export declare const aliyun: typeof door.aliyun;
export declare const aliyunCredentials: typeof door.aliyunCredentials;
