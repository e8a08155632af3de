/** Calls: of builtins, of methods of maps and strings, of the script's own functions. */
import { didYouMean } from "../diagnostics.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import type { Lowering } from "./lowering.ts";
import { MAP_METHODS, mapMethod } from "./maps.ts";
import { STRING_METHODS, stringMethod } from "./string_methods.ts";
import { describe, type IntrinsicVal, type MapVal, type MethodVal, type Val } from "./values.ts";

export function lowerCall(f: Lowering, call: Call, wanted: boolean): Val {
  if (call.optional) f.fail("optional-call", "`?.(` cannot be compiled: what is called must be known", call);
  const callee = f.rules.place(f, call.callee);
  f.at(call);
  switch (callee.k) {
    case "intrinsic":
      return callIntrinsic(f, callee, call);
    case "method":
      return callMethod(f, callee, call, wanted);
    case "function":
      return f.rules.callFunction(f, callee.name, call.args.map((arg) => f.settle(f.rules.lower(f, arg))), call);
    case "error":
      return f.wrong("a function", callee, call.callee);
    default:
      return f.fail("not-callable", `${describe(callee)} cannot be called`, call.callee);
  }
}

function callIntrinsic(f: Lowering, { row, name }: IntrinsicVal, call: Call): Val {
  if (row.args === undefined) return f.fail("not-callable", `${name} is a value, not a function`, call.callee);
  const [least, most] = row.args;
  if (call.args.length < least || call.args.length > most) {
    f.fail(
      "arguments",
      `${name} takes ${least === most ? least : `${least} to ${most}`} argument${
        most === 1 ? "" : "s"
      }, this call has ${call.args.length}`,
      call,
      [row.signature],
    );
  }
  const args = row.lazy === true ? [] : call.args.map((arg) => f.rules.lower(f, arg));
  f.at(call);
  return row.lower(f, args, call);
}

function callMethod(f: Lowering, { receiver, name }: MethodVal, call: Call, wanted: boolean): Val {
  const args = call.args.map((arg) => f.rules.lower(f, arg));
  f.at(call);
  if (receiver.k === "map") return mapCall(f, receiver, name, args, call, wanted);
  const result = stringMethod(f, receiver, name, args, call);
  return result ??
    f.fail("unknown-method", `strings have no method \`${name}\` in a kernel function`, nameNode(call), [
      ...didYouMean(name, STRING_METHODS),
      `they have ${STRING_METHODS.join(", ")} and length; do the rest in the script`,
    ]);
}

function mapCall(f: Lowering, map: MapVal, name: string, args: Val[], call: Call, wanted: boolean): Val {
  const known = MAP_METHODS[map.def.kind] ?? [];
  if (!known.includes(name)) {
    f.fail("unknown-method", `the ${map.def.kind} "${map.name}" has no method \`${name}\``, nameNode(call), [
      ...didYouMean(name, known),
      `it has ${known.join(", ")}`,
    ]);
  }
  return mapMethod(f, map, name, args, call, wanted);
}

function nameNode(call: Call): Expr {
  const { callee } = call;
  return callee.type === "Member"
    ? { type: "Ident", name: callee.property, start: callee.nameStart, end: callee.end }
    : callee;
}
