import type { z } from "zod";
import type * as core from "zod/v4/core";

/**
 * Whether a value of JSON surely fits: zod would take it, and give back its like. False says nothing, but that zod is to
 * be asked.
 */
export type SureFit = (value: unknown) => boolean;

const unsure: SureFit = () => false;

/**
 * A schema's short way, for what peers send all day: zod makes several objects for each field that it looks at. The
 * schema stays the only description; where it has a part of a kind that is not known here, no value that has this part is
 * sure. To be called once for a schema.
 */
export function sureFit(schema: z.ZodType): SureFit {
  return fitOf(schema as unknown as core.$ZodTypes);
}

function fitOf({ _zod: { def } }: core.$ZodTypes): SureFit {
  // Of such a kind are z.email() and z.int(), which are a check themselves.
  if ("check" in def || "coerce" in def) return unsure;
  switch (def.type) {
    case "string":
      return checked((value) => typeof value === "string", def);
    case "number":
      return checked(Number.isFinite, def);
    case "enum": {
      const entries = new Set<unknown>(Object.values(def.entries));
      return checked((value) => entries.has(value), def);
    }
    case "array": {
      const element = fitOf(def.element as core.$ZodTypes);
      return checked((value) => Array.isArray(value) && value.every(element), def);
    }
    case "object":
      return checked(objectFit(def.shape as Readonly<Record<string, core.$ZodTypes>>), def);
    default:
      return unsure;
  }
}

/** Exactly the members of the shape, of which optional ones may be left out. */
function objectFit(shape: Readonly<Record<string, core.$ZodTypes>>): SureFit {
  const members = Object.entries(shape).map(([name, schema]) => {
    const { def } = schema._zod;
    const isOptional = def.type === "optional" && def.checks === undefined;
    return { name, isOptional, fits: fitOf(isOptional ? (def.innerType as core.$ZodTypes) : schema) };
  });
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    let found = 0;
    for (const { name, isOptional, fits } of members) {
      if (Object.hasOwn(value, name)) {
        if (!fits((value as Readonly<Record<string, unknown>>)[name])) return false;
        found += 1;
      } else if (!isOptional) return false;
    }
    return Object.keys(value).length === found;
  };
}

/** A value of the right type that passes all of the schema's own checks, too. */
function checked(isOfType: SureFit, { checks = [] }: core.$ZodTypeDef): SureFit {
  return checks.reduce<SureFit>((fits, check) => {
    const passes = checkFit(check._zod.def as core.$ZodChecks["_zod"]["def"]);
    return (value) => fits(value) && passes(value);
  }, isOfType);
}

function checkFit(def: core.$ZodChecks["_zod"]["def"]): SureFit {
  switch (def.check) {
    case "min_length":
      // zod counts code points of a string: each has one UTF-16 unit or two.
      return (value) => lengthOf(value) > 2 * (def.minimum - 1);
    case "max_length":
      return (value) => lengthOf(value) <= def.maximum;
    case "string_format":
      return patternFit(def);
    case "number_format":
      return def.format === "safeint" ? Number.isSafeInteger : unsure;
    case "greater_than":
      return (value) => Number(value) > Number(def.value) || (def.inclusive && value === def.value);
    case "less_than":
      return (value) => Number(value) < Number(def.value) || (def.inclusive && value === def.value);
    default:
      return unsure;
  }
}

const lengthOf = (value: unknown) => (value as string | readonly unknown[]).length;

/** A pattern that has state (`g`, `y`) is not for a short way. */
function patternFit({ format, pattern }: core.$ZodCheckStringFormatDef): SureFit {
  if (format !== "regex" || pattern === undefined || pattern.global || pattern.sticky) return unsure;
  return (value) => pattern.test(value as string);
}
