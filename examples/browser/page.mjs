// Asks a proofdns server by DNS over HTTPS, verifies the answer in this page, and shows what was proven or nothing.
import { Client, DohTransport, isProofdnsError, makeTrust, StorageMemoryStore } from "proofdns";

const $ = (id) => document.getElementById(id);
const out = $("out");

/** Shows text as text: a module's name is nobody's markup. */
function show(state, lines) {
  out.dataset.state = state;
  out.textContent = lines.join("\n");
}

/** The lines for an answer. All of it is proven: `lookup` gives nothing else. */
function describe(subject, answer) {
  const { epoch, leaf, ageTime } = answer.head;
  const proof = [
    `epoch ${epoch}: the first ${leaf.treeHead.treeSize} records of the checksum database`,
    `as of ${new Date(ageTime * 1000).toISOString()}`,
  ];
  switch (answer.kind) {
    case "absent":
      return [`${subject} is not in the checksum database`, ...proof];
    case "module":
      return [`${subject} ${answer.value.latest.version.text}`, `record ${answer.value.latest.logIndex}`, ...proof];
    case "majors":
      return [...answer.items.map(({ path, version }) => `${path} ${version.text}`), ...proof];
    default:
      return proof;
  }
}

async function ask() {
  const path = $("module").value.trim();
  show("asking", ["Asking …"]);
  try {
    const sumdbKey = $("sumdb").value.trim();
    const trust = makeTrust({
      zone: $("zone").value.trim(),
      policy: $("policy").value,
      ...(sumdbKey === "" ? {} : { sumdbKey }),
    });
    const client = new Client({
      trust,
      transport: new DohTransport({ url: $("server").value.trim() }),
      // Remembers the newest head, so that a server cannot show this browser an older one.
      memory: new StorageMemoryStore(localStorage, trust),
    });
    const subject = $("majors").checked ? { kind: "majors", basePath: path } : { kind: "module", path };
    const { answer } = await client.lookup(subject);
    await client.commit();
    show("proven", describe(path, answer));
  } catch (error) {
    const code = isProofdnsError(error) ? error.code : "ERROR";
    show("refused", [`Nothing is proven: ${code}`, error instanceof Error ? error.message : String(error)]);
  }
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void ask();
});

// Fields may be given in the fragment, which a browser sends to nobody: #module=golang.org/x/mod&zone=…
for (const [id, text] of new URLSearchParams(location.hash.slice(1))) {
  const field = $(id);
  if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) field.value = text;
}
