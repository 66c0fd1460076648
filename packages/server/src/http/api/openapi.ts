import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { OpenAPIV3_1 } from "openapi-types";
import type { App } from "../app.js";

/** How the routes of the API are told in the document: by what their key must be for. */
const tags = [
  { name: "otp", description: "Random one-time codes, given to the caller or sent by mail" },
  { name: "totp", description: "Authenticators that go by time (RFC 6238)" },
  { name: "hotp", description: "Authenticators that go by a counter (RFC 4226)" },
  { name: "challenges", description: "Pages that ask a person what they know, once" },
  { name: "sessions", description: "Who is logged in: tokens of people, for other services" },
  { name: "admin", description: "The server itself" },
  { name: "health", description: "For supervisors and balancers; without a key" },
];

/** What holds for every call; CommonMark. */
const description = `One-time passwords, known-answer challenges, sessions and administration of a Postern server, for other
applications.

- **Keys.** Every call but those of \`health\` takes an API key in \`Authorization: Bearer\`. The operator makes one with
  \`posternd apikey create --name shop --scope otp,totp,hotp\`.
- **Refusals** are problem documents (RFC 9457). Go by their \`code\`; with \`retry_after\`, wait so many seconds.
- **Codes** are judged with status 200: what they are worth stands in \`result\`. What does not have a code's form is
  refused with 422 and not counted.
- **Spans** are whole seconds, times are ISO 8601 in UTC.

All of it with examples is in the project's docs/api.md.`;

export const SECURITY_SCHEME = "apiKey";

/** The page has its own scripts and styles, from here, and styles that its scripts set; its pictures are in the styles. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

type Override = NonNullable<
  NonNullable<Parameters<typeof createJsonSchemaTransform>[0]["zodToJsonConfig"]>["override"]
>;

/** Every integer of ours is a safe one, and a format has its pattern: no reader of the document needs to be told. */
const withoutTheObvious: Override = ({ jsonSchema }) => {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.format === "date-time" || jsonSchema.format === "base64") delete jsonSchema.pattern;
};
const zodToJsonConfig = { override: withoutTheObvious };
const transformObject = createJsonSchemaTransformObject({ zodToJsonConfig });

type Document = OpenAPIV3_1.Document;

/** A named schema is written down once for what comes in and once for what goes out; what nothing refers to goes. */
function withoutUnused(document: Document): Document {
  const text = JSON.stringify(document);
  const schemas = Object.entries(document.components?.schemas ?? {});
  const used = schemas.filter(([name]) => text.includes(`"#/components/schemas/${name}"`));
  return { ...document, components: { ...document.components, schemas: Object.fromEntries(used) } };
}

/**
 * The description of every route that is added behind it, as OpenAPI 3.1 at `/openapi.json`, and Swagger UI at `/docs`.
 * Both are public, as this text is: what they describe takes a key.
 */
export async function addOpenApi(app: App, { version }: { version: string }): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Postern",
        version,
        description,
        license: { name: "MIT", identifier: "MIT" },
      },
      tags,
      components: {
        securitySchemes: {
          [SECURITY_SCHEME]: {
            type: "http",
            scheme: "bearer",
            bearerFormat: "pk_…",
            description: "A key of `posternd apikey create`, as it was shown: `pk_…`.",
          },
        },
      },
    },
    transform: createJsonSchemaTransform({ zodToJsonConfig }),
    transformObject: (document) => withoutUnused(transformObject(document) as Document),
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: true,
    transformStaticCSP: () => PAGE_POLICY,
    // The default would show the document to a validator elsewhere.
    uiConfig: {
      layout: "BaseLayout",
      validatorUrl: null,
      persistAuthorization: false,
      docExpansion: "list",
      tryItOutEnabled: false,
    },
    theme: { title: "Postern API" },
  });
  app.get("/openapi.json", { schema: { hide: true } }, async (_request, reply) => {
    reply.header("cache-control", "no-cache");
    return app.swagger();
  });
}
