import { type Method, methods, type Params } from "@postern/shared/messages";
import { type SureFit, sureFit } from "./sure-fit.js";

const sure: ReadonlyMap<string, SureFit> = new Map(
  Object.entries(methods).map(([method, { params }]) => [method, sureFit(params)]),
);

/** The parameters of a call, or undefined where they do not fit it. */
export function readParams(method: Method, params: unknown): Params<Method> | undefined {
  if (sure.get(method)?.(params)) return params as Params<Method>;
  return methods[method].params.safeParse(params).data;
}
