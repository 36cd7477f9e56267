import assert from "node:assert/strict";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFront } from "../../src/service/front.ts";
import { Builder } from "../../src/store/builder.ts";
import { makeSumdb, startOperator, until } from "./operator.ts";
import { makeFolder, sampleRecords } from "./world.ts";

const folder = makeFolder("retire");

it("gives up the old tree only when no thread reads it any more", async (t) => {
  const order: string[] = [];
  const retire = Builder.prototype.retire;
  t.mock.method(Builder.prototype, "retire", function (this: Builder, ...args: Parameters<Builder["retire"]>): void {
    order.push("retire");
    retire.apply(this, args);
  });
  const sumdb = makeSumdb(sampleRecords(), 100);
  const operator = await startOperator({
    folder: join(folder, "store"),
    sumdb,
    makeFront: (options) => {
      const front = makeFront(options);
      const publish = front.publish.bind(front);
      front.publish = async (data, tree) => {
        order.push(`publish ${data.epoch}`);
        // A thread that is slow to change over.
        await sleep(30);
        await publish(data, tree);
        order.push(`published ${data.epoch}`);
      };
      return front;
    },
  });
  for (const size of [200, 300]) {
    sumdb.setSize(size);
    await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
  }
  await operator.close();
  assert.deepEqual(
    order,
    [1, 2, 3].flatMap((epoch) => [`publish ${epoch}`, `published ${epoch}`, "retire"]),
  );
});
