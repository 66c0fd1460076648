import { newId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import {
  type ApiKey,
  apiKeyKey,
  findApiKey,
  putApiKey,
  scanApiKeys,
} from "../../../src/records/applications/api-key.js";
import { allApplications, findApplication, putApplication } from "../../../src/records/applications/application.js";
import { idBytes, recordKey } from "../../../src/records/keys.js";
import { rejectsWith } from "../../barrier/support.js";
import { atEveryFlip, NOW, newRecords, pack, putRaw, type Records, refusesEveryFlip, some } from "../support.js";

const apiKey = (): ApiKey => ({
  id: newId("apiKey"),
  application: newId("application"),
  applicationName: "shop",
  name: "shop, reports",
  hash: some(32),
  scopes: ["otp", "admin"],
  createdAt: NOW,
});

const put = ({ barrier }: Records, record: ApiKey) => barrier.transact((tx) => putApiKey(tx, record));
const find = ({ barrier }: Records, { id }: ApiKey) => barrier.read((tx) => findApiKey(tx, id));
const list = ({ barrier }: Records) => barrier.read((tx) => scanApiKeys(tx, undefined));

describe("an API key's record", () => {
  it("is read back as it was written, with all that it can have and without", async () => {
    const records = await newRecords();
    const bare = apiKey();
    const whole = { ...apiKey(), expiresAt: NOW, successor: bare.id, revokedAt: NOW, lastUsedAt: NOW };
    for (const each of [bare, whole]) {
      await put(records, each);
      expect(await find(records, each)).toEqual(each);
    }
    expect((await list(records)).keys).toHaveLength(2);
  });

  it("with any byte flipped is no key, by itself or in the list", async () => {
    const records = await newRecords();
    const [mine, other] = [apiKey(), apiKey()];
    for (const each of [mine, other]) await put(records, each);
    await atEveryFlip(records, apiKeyKey(mine.id), async () => {
      expect(await find(records, mine)).toBeUndefined();
      expect(await list(records)).toMatchObject({ keys: [other], damaged: [apiKeyKey(mine.id)] });
    });
    expect(await find(records, mine)).toEqual(mine);
  });

  it("under another one's key does not open: nobody gives a key the scopes of another by moving it", async () => {
    const records = await newRecords();
    const [mine, other] = [apiKey(), apiKey()];
    for (const each of [mine, other]) await put(records, each);
    await records.storage.transact(async (tx) => {
      const stored = (each: ApiKey) => Buffer.concat([Buffer.of(1), apiKeyKey(each.id)]);
      await tx.put(stored(mine), (await tx.get(stored(other))) ?? Buffer.alloc(0));
    });
    expect(await find(records, mine)).toBeUndefined();
  });

  it.each([
    ["hash", { hash: some(31) }],
    ["hash as text", { hash: "0".repeat(32) }],
    ["scopes", { scopes: undefined }],
    ["known scopes", { scopes: ["otp", "root"] }],
    ["time", { createdAt: -1 }],
    ["fields", { trusted: true }],
  ])("that has not its %s is none", async (_name, more) => {
    const records = await newRecords();
    const mine = apiKey();
    await putRaw(records, apiKeyKey(mine.id), pack([1, { ...mine, ...more }]));
    expect(await find(records, mine)).toBeUndefined();
  });

  it("of a later format is refused", async () => {
    const records = await newRecords();
    const mine = apiKey();
    await putRaw(records, apiKeyKey(mine.id), pack([2, mine]));
    await rejectsWith(find(records, mine), "store_future");
  });
});

describe("an application's record", () => {
  const application = { id: newId("application"), name: "shop", createdAt: NOW };

  it("is found by its id; damaged, it is refused by itself, and left out of the list", async () => {
    const records = await newRecords();
    const { barrier } = records;
    const other = { ...application, id: newId("application") };
    for (const each of [application, other]) await barrier.transact((tx) => putApplication(tx, each));
    expect(await barrier.read(allApplications)).toHaveLength(2);
    const key = recordKey("application", idBytes(application.id));
    await refusesEveryFlip(records, key, () => barrier.read((tx) => findApplication(tx, application.id)));
    await atEveryFlip(records, key, async () => expect(await barrier.read(allApplications)).toEqual([other]));
  });
});
