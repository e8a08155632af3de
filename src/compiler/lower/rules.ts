/** The rules that need each other, put together; see `Rules`. */
import { lower, place } from "./expression.ts";
import { callbackOf } from "./callback.ts";
import { callFunction } from "./instance.ts";
import type { Rules } from "./module.ts";
import { lowerStatement } from "./statement.ts";

export const RULES: Rules = { lower, place, statement: lowerStatement, callFunction, callback: callbackOf };
