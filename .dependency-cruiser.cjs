/**
 * The arrows: which room may import which (docs/architecture.md). What a room's list does not name, it may not
 * import; a folder that no table names may import nothing, so a new room begins here.
 *
 * dependency-cruiser reads TypeScript by way of @swc/core. Where it cannot read a file it says nothing and finds
 * no violation, so test/tooling/arrows.test.ts turns every arrow around and expects to be told.
 */

const { Visitor } = require("@swc/core/Visitor.js");

// @swc/core parses `using`, but its visitor, which dependency-cruiser walks the tree with, stops at it.
const visitStatement = Visitor.prototype.visitStatement;
Visitor.prototype.visitStatement = function visitAnyStatement(statement) {
  if (statement.type !== "UsingDeclaration") return visitStatement.call(this, statement);
  this.visitVariableDeclarators(statement.decls);
  return statement;
};

/** Room -> the rooms below that it may import. Every room may import @postern/shared and the `plain` files. */
const server = {
  folder: "packages/server/src",
  rooms: {
    cli: ["services", "records", "barrier", "identity", "mail", "outward", "proxy-protocol", "workers"],
    workers: ["wire", "barrier"],
    wire: ["services", "records", "identity", "proxy-protocol"],
    http: ["services", "records", "proxy-protocol"],
    web: ["http", "services", "records"],
    services: ["records", "barrier", "identity"],
    records: ["barrier"],
    barrier: ["storage"],
    storage: [],
    identity: [],
    mail: [],
    outward: [],
    "proxy-protocol": [],
  },
  /** Files beside the rooms that build what the rooms offer: they may import every room, and only cli imports them. */
  composition: ["main", "worker", "https-port", "migrate", "migrate-records", "server", "store", "upkeep"],
};

const client = {
  folder: "packages/client/src",
  rooms: {
    cli: ["flows", "connection", "session", "trust", "terminal"],
    flows: ["connection", "session", "trust", "terminal"],
    connection: ["trust"],
    session: [],
    trust: [],
    terminal: [],
  },
  composition: ["main"],
};

const sockets = ["net", "tls", "http", "https", "http2", "dgram"];
const files = ["fs", "fs/promises"];

function arrowsOf({ folder, rooms, composition }) {
  const names = Object.keys(rooms);
  const compositionRoot = `^${folder}/(${composition.join("|")})\\.ts$`;
  const perRoom = names.map((room) => ({
    name: `${folder.split("/")[1]}-${room}`,
    comment: `${room}/ may import: ${rooms[room].join(", ") || "no other room"}`,
    severity: "error",
    from: { path: `^${folder}/${room}/` },
    to: {
      path: `^${folder}/`,
      pathNot: [
        `^${folder}/(${[room, ...rooms[room]].join("|")})/`,
        room === "cli" ? `^${folder}/[^/]+$` : `^${folder}/(?!(${composition.join("|")})\\.ts$)[^/]+$`,
      ],
    },
  }));
  return [
    ...perRoom,
    {
      name: `${folder.split("/")[1]}-plain`,
      comment: "a file beside the rooms that is no composition root serves all rooms, so it imports none",
      severity: "error",
      from: { path: `^${folder}/[^/]+$`, pathNot: compositionRoot },
      to: { path: [`^${folder}/[^/]+/`, compositionRoot] },
    },
    {
      name: `${folder.split("/")[1]}-unknown-room`,
      comment: "name the folder, and what it may import, in .dependency-cruiser.cjs",
      severity: "error",
      from: { path: `^${folder}/[^/]+/`, pathNot: `^${folder}/(${names.join("|")})/` },
      to: {},
    },
  ];
}

function noBuiltins(name, comment, from, builtins) {
  return {
    name,
    comment,
    severity: "error",
    from,
    to: { dependencyTypes: ["core"], path: `^(node:)?(${builtins.join("|")})$` },
  };
}

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...arrowsOf(server),
    ...arrowsOf(client),
    {
      name: "packages-apart",
      comment: "shared imports neither server nor client, and these two never import each other",
      severity: "error",
      from: { path: "^packages/(shared|server|client)/src/" },
      to: { path: "(^|/)(packages|@postern)/(server|client)(/|$)", pathNot: "^packages/$1/" },
    },
    {
      name: "shared-by-name",
      comment: "another package is imported as @postern/shared/<file>, never by a path into its folder",
      severity: "error",
      from: { path: "^packages/(server|client)/src/" },
      to: { path: "^packages/shared/", dependencyTypes: ["local"] },
    },
    noBuiltins(
      "shared-pure",
      "no socket, no file, no process: only terminal/ talks to a person (server-address.ts takes isIP from node:net)",
      { path: "^packages/shared/src/", pathNot: "^packages/shared/src/(terminal/|server-address\\.ts$)" },
      [...sockets, ...files, "child_process", "readline", "readline/promises", "tty"],
    ),
    {
      name: "shared-no-prompts",
      severity: "error",
      from: { path: "^packages/shared/src/", pathNot: "^packages/shared/src/terminal/" },
      to: { path: "(^|/)@?inquirer(/|$)" },
    },
    noBuiltins(
      "rules-pure",
      "services and records know no socket and no file",
      { path: "^packages/server/src/(services|records)/" },
      [...sockets, ...files, "child_process"],
    ),
    {
      name: "no-cycle",
      severity: "error",
      from: { path: "^packages/" },
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "what cannot be found cannot be judged (is the workspace built? npm run setup)",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: "swc",
    doNotFollow: { path: ["node_modules", "^packages/[^/]+/dist/"] },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    moduleSystems: ["es6", "cjs"],
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      mainFields: ["main", "types"],
    },
  },
};
