import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "../../src/client/client.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import { makeTrust } from "../../src/client/verify/index.ts";
import { makeZone } from "../../src/dns/zone.ts";
import { type ServedEpoch, Service, type ServiceOptions } from "../../src/service/service.ts";
import type { StoreIdentity } from "../../src/store/identity.ts";
import { Store } from "../../src/store/store.ts";
import { SumdbFollower } from "../../src/sumdb/follower.ts";
import type { SumdbServer } from "../../src/sumdb/server.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { decodeHead, type HeadPayload } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { formatPolicy, parsePolicy } from "../../src/vindex/policy.ts";
import { makeServer, ServerSource } from "../sumdb/small-log.ts";
import { clockKey, ed25519, logKey, sumdbKey, ZONE } from "./world.ts";

export const identity: StoreIdentity = {
  origin: logKey.verifierKey.keyName,
  logKey: formatVerifierKey(logKey.verifierKey),
  sumdbKey: formatVerifierKey(sumdbKey.verifierKey),
};
export const clockPolicy = formatPolicy(logKey.verifierKey, [{ name: "clock", verifierKey: clockKey.verifierKey }]);

/** What a test that failed left running would keep the process alive. */
const running = new Set<Service>();
after(async () => {
  for (const service of running) await service.close();
});

/** Never, as seconds; longer ones are too long for a timer. */
export const NEVER = 1_000_000;

/** A service in this process, and what it told its operator. */
export interface Operator {
  readonly service: Service;
  readonly store: Store;
  readonly policy: string;
  readonly source: ServerSource;
  readonly listen: string;
  /** What `start` gave, and what was told of later epochs. */
  readonly served: ServedEpoch[];
  readonly logged: string[];
  readonly evidence: unknown[];
  readonly steps: string[];
  close(): Promise<void>;
}

export type OperatorOptions = Partial<Omit<ServiceOptions, "policy" | "store">> & {
  readonly folder: string;
  readonly sumdb: SumdbServer;
  readonly policy?: string;
  readonly change?: ServerSource["change"];
};

/** Opens the store in `folder` and starts a service on it that asks `sumdb` without a socket, often. */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { folder, sumdb, policy = clockPolicy, change, ...overrides } = options;
  const store = await Store.open(folder, identity);
  const source = new ServerSource(sumdb, change);
  const told = {
    served: [] as ServedEpoch[],
    logged: [] as string[],
    evidence: [] as unknown[],
    steps: [] as string[],
  };
  const log = (level: string, message: string): void => void told.logged.push(`${level} ${message}`);
  let service: Service | undefined;
  try {
    service = await Service.open({
      zone: makeZone({ apex: ZONE, nameServers: [{ name: "ns.example.net" }], hostmaster: `hostmaster.${ZONE}` }),
      host: "127.0.0.1",
      port: 0,
      store,
      follower: new SumdbFollower({
        verifierKey: sumdbKey.verifierKey,
        source,
        log,
        sha256: nodeSha256,
        ed25519,
      }),
      sumdbKey: sumdbKey.verifierKey,
      logKey,
      clockKey,
      policy: parsePolicy(policy),
      witnesses: [],
      peers: [],
      poll: 0.01,
      heartbeat: NEVER,
      epochInterval: 0,
      maxStall: undefined,
      log,
      onEpoch: (served) => told.served.push(served),
      onFork: async (evidence) => void told.evidence.push(evidence),
      onStep: (step, epoch) => void told.steps.push(`${step} ${epoch}`),
      firstSignatureWait: 0,
      ...overrides,
    });
    const { address, served } = await service.start();
    told.served.unshift(served);
    const started = service;
    running.add(started);
    return {
      ...told,
      service,
      store,
      policy,
      source,
      listen: `${address.address}:${address.port}`,
      close: async () => {
        running.delete(started);
        await started.close();
      },
    };
  } catch (error) {
    await (service === undefined ? store.close() : service.close());
    throw error;
  }
}

/** A checksum database over `records`, of which `size` are signed. */
export function makeSumdb(records: readonly Uint8Array[], size: number): SumdbServer {
  return makeServer(records, sumdbKey, size);
}

/** Waits until something holds; what it is stands in the error. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(5);
  }
}

/** The head of an epoch, by default the newest, as it is served just now. */
export function headOf({ service }: Operator, epoch = service.data.epoch): HeadPayload {
  return decodeHead(service.data.head(epoch), "plain");
}

/** Times of the cosignatures of `key` that are served with the newest head. */
export function clockTimes(operator: Operator, keyId = clockKey.verifierKey.keyId): number[] {
  return headOf(operator)
    .cosignatures.filter((cosignature) => cosignature.keyId === keyId)
    .map(({ time }) => time);
}

/** A client that trusts the operator's policy and asks by DNS. */
export function clientOf(operator: Operator, now?: () => number): Client {
  const trust = makeTrust({
    zone: ZONE,
    policy: operator.policy,
    sumdbKey: identity.sumdbKey,
    sha256: nodeSha256,
    ed25519,
  });
  const transport = new DnsTransport({ server: operator.listen });
  return new Client({ trust, transport, ...(now === undefined ? {} : { now }) });
}
