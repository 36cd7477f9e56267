/**
 * Mistakes that somebody could make in the verifier, one at a time: in `file` (below src), the text `find`, which stands
 * there exactly once, becomes `replace`. Every one must be caught by a vector of spec/vectors; see scripts/mutants.mjs.
 */
export const mutants = [];

function mutate(file, ...changes) {
  for (const [what, find, replace] of changes) mutants.push({ file, what, find, replace });
}

mutate(
  "client/verify/head.ts",
  ["the epoch asked is not compared", "question.epoch !== undefined && epoch !== question.epoch", "false"],
  ["a head may be older than the epoch that it is since", "since !== undefined && epoch < since", "false"],
  [
    "a since head of the same epoch needs not the remembered leaf",
    "leafText !== formatLeaf(memory.leaf, trust.sumdbKey)",
    "false",
  ],
  ["hashes may stand where nothing is extended", "if (hashes.length > 0)", "if (hashes.length > 1)"],
  [
    "the log signature is not verified",
    'verifySignature(trust, "BAD_LOG_SIGNATURE"',
    'if (false) verifySignature(trust, "BAD_LOG_SIGNATURE"',
  ],
  [
    "the sumdb signature is not verified",
    'verifySignature(trust, "BAD_SUMDB_SIGNATURE"',
    'if (false) verifySignature(trust, "BAD_SUMDB_SIGNATURE"',
  ],
  [
    "cosignatures are not verified",
    "verifyCosignature(checkpointText, cosignature, witness.verifierKey, trust.ed25519);",
    "",
  ],
  [
    "unknown cosigners are refused",
    "if (witness === undefined) continue;",
    'if (witness === undefined) throw new ProofdnsError("BAD_COSIGNATURE", "unknown");',
  ],
  [
    "verified cosignatures are not counted once each, but the first only",
    "cosignatures.push({ ...cosignature, signature: cosignature.signature.slice() });",
    "if (cosignatures.length === 0) cosignatures.push({ ...cosignature, signature: cosignature.signature.slice() });",
  ],
  [
    "a missing consistency proof proves the extension",
    "(input.question.since !== undefined && head.epoch > memory.epoch)",
    "true",
  ],
  [
    "a smaller head needs no consistency proof",
    "if (!isExtended) throw missingConsistency(trust, lagBehind(memory, head, ageTime), memory, head);",
    "",
  ],
  [
    "an old head needs no consistency proof for its age",
    "if (!isExtended) throw missingConsistency(trust, 0, newest, head);",
    "",
  ],
  ["a server that went back is only slow", "lagBehind(memory, head, ageTime), ", "0, "],
  [
    "a larger head lags",
    "memory === undefined || head.epoch > memory.epoch || ageTime === 0",
    "memory === undefined || ageTime === 0",
  ],
  ["a head of unknown age lags", "head.epoch > memory.epoch || ageTime === 0", "head.epoch > memory.epoch"],
  ["the quorum none proves freshness", "rule === undefined", "false"],
  [
    "freshness is never required of the quorum none",
    "trust.policy.quorum === undefined && !trust.isFreshnessRequired",
    "trust.policy.quorum === undefined",
  ],
  [
    "no freshness is required of any quorum",
    "trust.policy.quorum === undefined && !trust.isFreshnessRequired",
    "!trust.isFreshnessRequired",
  ],
  [
    "a missing quorum is not told from a stale one",
    "if (freshestQuorumTime(rule, cosignatures) === undefined) {",
    "if (false) {",
  ],
  ["old cosignatures count", "past.filter(({ time }) => time >= now - trust.maxAge)", "past"],
  ["the window begins a second too late", "time >= now - trust.maxAge", "time > now - trust.maxAge"],
  ["the window begins a second too early", "time >= now - trust.maxAge", "time >= now - trust.maxAge - 1"],
  ["cosignatures from the future count", "time <= now + MAX_SKEW", "true"],
  ["the window ends a second too early", "time <= now + MAX_SKEW", "time < now + MAX_SKEW"],
  ["young cosignatures prove an age", "cosignatures.filter((cosignature) => cosignature.time <= time)", "cosignatures"],
  ["an age must be older than the time", "cosignature.time <= time", "cosignature.time < time"],
  [
    "an age is the freshest time of a quorum",
    "const publicSince = firstQuorumTime(",
    "const publicSince = freshestQuorumTime(",
  ],
  [
    "the memory of an age is not compared",
    "const isExtended = checkMemory(trust, newest, head,",
    "const isExtended = true || checkMemory(trust, newest, head,",
  ],
);

mutate(
  "client/verify/extension.ts",
  ["two roots of one size are no fork", "equalBytes(head.rootHash, memory.rootHash)", "true"],
  ["the sumdb heads are not compared with the remembered ones", "checkSumdbHeads(trust, older, newer);", ""],
  [
    "two sumdb roots of one size are no fork",
    "oldHead.treeSize === newHead.treeSize && !equalBytes(oldHead.rootHash, newHead.rootHash)",
    "false",
  ],
  ["a sumdb may stand still", "oldHead.treeSize >= newHead.treeSize", "oldHead.treeSize > newHead.treeSize"],
  ["a head may lag a second longer", "lag > trust.maxLag", "lag > trust.maxLag + 1"],
  ["a head may lag a second less", "lag > trust.maxLag", "lag >= trust.maxLag"],
  [
    "the old root of a consistency proof is not compared",
    "const isOld = equalBytes(roots.oldRoot, older.rootHash);",
    "const isOld = true;",
  ],
  [
    "the new root of a consistency proof is not compared",
    "const isNew = equalBytes(roots.newRoot, newer.rootHash);",
    "const isNew = true;",
  ],
  ["a fork is only an extension that was not proven", "if (isNew) {", "if (false) {"],
  [
    "the sumdb's extension is not verified",
    "if (untrustedProof === undefined) throw missingConsistency(trust, 0);",
    "return;",
  ],
  [
    "a sumdb of the same size needs a proof",
    "  if (oldHead.treeSize === newHead.treeSize) {",
    "  if (oldHead.treeSize === newHead.treeSize && untrustedProof !== undefined) {",
  ],
  [
    "the proof of a sumdb of the same size is looked at",
    "  if (oldHead.treeSize === newHead.treeSize) {",
    "  if (untrustedProof !== undefined) decodeLogProof(untrustedProof);\n  if (oldHead.treeSize === newHead.treeSize) {",
  ],
  ["an empty sumdb needs a proof", "if (oldHead.treeSize === 0) return;", ""],
);

mutate(
  "client/verify/trust.ts",
  ["a sumdb key of any type is taken", "if (sumdbKey.type !== KEY_TYPE_ED25519) {", "if (false) {"],
  ["any log of the policy is the zone's", "verifierKey.keyName === origin", "true"],
  ["a cosignature may be 301 seconds ahead", "MAX_SKEW = 300", "MAX_SKEW = 301"],
);

mutate(
  "client/verify/answer.ts",
  [
    "a state is taken though none was asked",
    "(answer.stateText !== undefined) !== needsState",
    "answer.stateText === undefined && needsState",
  ],
  [
    "a majors section is taken with any answer",
    'answer.majorItems !== undefined && subject.kind !== "majors"',
    "false",
  ],
  ["the answer's epoch is not compared", "if (answer.epoch !== head.epoch) {", "if (false) {"],
  [
    "inclusion is not verified",
    'if (proof.kind === "inclusion")',
    'if (proof.kind === "inclusion") return;\n  if (proof.kind === "inclusion")',
  ],
  [
    "non-inclusion is not verified",
    'else if (proof.kind === "nonInclusion")',
    'else if (proof.kind === "nonInclusion") return;\n  else if (proof.kind === "nonInclusion")',
  ],
  ["an empty map is believed", "else verifyEmptyMap(mapRoot, trust.sha256);", ""],
  ["a lag is not seen", "newest.ageTime - head.ageTime > trust.maxLag", "false"],
  [
    "a lag of maxLag is refused",
    "newest.ageTime - head.ageTime > trust.maxLag",
    "newest.ageTime - head.ageTime >= trust.maxLag",
  ],
  ["an older head makes an answer lag", "newest.epoch > head.epoch && ", ""],
  [
    "the value is not made again of the state",
    "computeModuleValue(path, state, stateText, trust.sha256) !== valueText",
    "false",
  ],
  ["a state may count more records than there are", "state.subLog.treeSize > head.leaf.treeHead.treeSize", "false"],
  ["a majors section may be what is shown", "answer.majorItems === value.shown || ", ""],
  [
    "the value is not made again of the majors section",
    "computeMajorsValue(answer.majorItems, trust.sha256) !== answer.text",
    "false",
  ],
  ["majors are always complete", "isAllItems(value, value.shown, trust.sha256)", "true"],
);

mutate(
  "client/verify/record.ts",
  ["records of a page may be missing", "got.length < wanted", "false"],
  ["a page may have one record less", "got.length < wanted", "got.length < wanted - 1"],
  ["surplus records are folded, too", "entries.push(...got.slice(0, wanted));", "entries.push(...got);"],
  ["indexes of versions may stand still", "logIndex <= before", "logIndex < before"],
  ["indexes of versions need not ascend", "logIndex <= before || ", ""],
  ["indexes of versions may be beyond the sumdb", "logIndex >= head.leaf.treeHead.treeSize", "false"],
  [
    "an index of versions may be the sumdb's size",
    "logIndex >= head.leaf.treeHead.treeSize",
    "logIndex > head.leaf.treeHead.treeSize",
  ],
  ["the folded versions are not compared with the state", "formatModuleState(folded) !== stateText", "false"],
  [
    "a record's proof is not verified",
    "verifyLogInclusionProof(hashes, recordHash,",
    "if (false) verifyLogInclusionProof(hashes, recordHash,",
  ],
);

mutate(
  "client/verify/proof-file.ts",
  ["a file may have any length", "if (isTooLong)", "if (false)"],
  ["a file may have a byte less", "MAX_PROOF_FILE_LENGTH = 1 << 22", "MAX_PROOF_FILE_LENGTH = (1 << 22) - 1"],
  ["64 hashes are taken", "MAX_HASHES = 63", "MAX_HASHES = 64"],
  ["63 hashes are refused", "MAX_HASHES = 63", "MAX_HASHES = 62"],
  ["the leaf need not be the newest", "index + 1 !== read.checkpoint.treeSize", "false"],
  [
    "any subject is the wanted one",
    "options.subject !== undefined && formatProofSubject(options.subject) !== formatProofSubject(subject)",
    "false",
  ],
  ["the checkpoint may be of another log", "checkpoint.origin !== trust.origin", "false"],
  ["the log's line may be there twice", "own === undefined || others.length > 0", "own === undefined"],
  ["a witness's line may be there twice", "if (others.length > 0) return refuse(`two", "if (false) return refuse(`two"],
  [
    "the log signature is left to the head",
    "if (!trust.ed25519.verify(trust.logKey.publicKey,",
    "if (false && !trust.ed25519.verify(trust.logKey.publicKey,",
  ],
  ["a line is of the key of its name", "keyName === key.keyName && keyId === key.keyId", "keyName === key.keyName"],
  ["a line is of the key of its id", "keyName === key.keyName && keyId === key.keyId", "keyId === key.keyId"],
  [
    "the inclusion is not verified",
    "  verifyLogInclusionProof(parts.hashes,",
    "  if (false) verifyLogInclusionProof(parts.hashes,",
  ],
  [
    "maxAge counts without a clock, too",
    "now === undefined ? { ...trust, maxAge: Number.MAX_SAFE_INTEGER } : trust",
    "trust",
  ],
  [
    "records of what is absent are ignored",
    'answer.kind === "absent" && (extra.pages.length > 0 || extra.record !== undefined)',
    "false",
  ],
  ["the number of pages is not compared", "if (extra.pages.length !== wanted)", "if (false)"],
  ["pages may hold more records than they must", "if (length !== wanted)", "if (length < wanted)"],
  ["pages may hold fewer records than they must", "if (length !== wanted)", "if (length > wanted)"],
  ["a record's proof is decoded last", "  decodeLogProof(record.proof);\n", ""],
  ["a record may stand beside another", "entry === undefined || others.length > 0", "entry === undefined"],
  ["a record may be of another version", "entry.version !== subject.version", "false"],
  ["a record need not be that of the latest", "if (!isLatest)", "if (false)"],
);

mutate(
  "client/verify/proof-extra.ts",
  ["1,025 sections are taken", "MAX_SECTIONS = 1024", "MAX_SECTIONS = 1025"],
  ["1,024 sections are refused", "MAX_SECTIONS = 1024", "MAX_SECTIONS = 1023"],
  ["a section may be there twice", "tag === last && tag !== TAG.page", "false"],
  ["sections may stand in any order", "tag < last || ", ""],
  ["an answer may be missing", '(answer === undefined) !== (subject.kind === "record")', "false"],
  ["a record needs no proof", "(page === undefined) !== (proof === undefined)", "false"],
  ["a record may stand with any subject", 'record !== undefined && subject.kind !== "record" &&', "false &&"],
  ["pages may stand with any subject", "pages.length > 0 && !(", "false && !("],
);

mutate(
  "vindex/path-proof.ts",
  ["a bitmap may end in zero", "length > 0 && bytes[start + length - 1] === 0", "false"],
  ["a bitmap may be longer than a key", "if (length > KEY_BITS / 8)", "if (length > KEY_BITS)"],
  ["the sides of a node are exchanged", "bitOf(indexKey, bit) === 0\n", "bitOf(indexKey, bit) === 1\n"],
  ["an empty value is included", "if (untrustedValue.length === 0)", "if (false)"],
  ["an empty value shows absence", "if (untrustedLeaf.value.length === 0)", "if (false)"],
  ["a key's own leaf shows its absence", "if (equalBytes(other, indexKey))", "if (false)"],
  [
    "the keys need not agree at the nodes of the path",
    "untrustedProof.bits.some((bit) => bitOf(other, bit) !== bitOf(indexKey, bit))",
    "false",
  ],
  [
    "the keys must agree at the deepest node only",
    "untrustedProof.bits.some((bit)",
    "untrustedProof.bits.slice(0, 1).some((bit)",
  ],
  [
    "the root of an inclusion is not compared",
    'if (!equalBytes(root, mapRoot))\n    throw new ProofdnsError("BAD_PROOF", "the inclusion',
    'if (false)\n    throw new ProofdnsError("BAD_PROOF", "the inclusion',
  ],
  ["the root of a non-inclusion is not compared", "if (!equalBytes(root, mapRoot)) {", "if (false) {"],
);

mutate(
  "vindex/prefix-tree.ts",
  ["the bit is not in the hash of a node", "input[1] = bit < 0x80 ? bit : (bit & 0x7f) | 0x80;", ""],
  ["leaves and nodes are hashed alike", "input[0] = 1;", "input[0] = 0;"],
);

mutate(
  "vindex/tlog.ts",
  ["a proof may be longer than it must", "hashes.length !== count", "hashes.length < count"],
  ["the root of an inclusion proof is not compared", "if (!equalBytes(hash, rootHash))", "if (false)"],
  ["an index may be the size of the tree", "if (logIndex >= treeSize)", "if (logIndex > treeSize)"],
  ["an index beyond the tree is malformed", '"BAD_PROOF", `index ', '"MALFORMED_PROOF", `index '],
  [
    "sizes that have no proof are well-formed",
    '"MALFORMED_PROOF", `no consistency proof',
    '"BAD_PROOF", `no consistency proof',
  ],
  [
    "hashes on the right are taken into the old root",
    "newHash = computeNodeHash(newHash, hash, sha256);",
    "newHash = computeNodeHash(newHash, hash, sha256);\n      oldHash = computeNodeHash(oldHash, hash, sha256);",
  ],
  ["the old root is also believed where it is no power of two", "floorPower2(oldSize) !== oldSize", "false"],
  ["a subtree may reach beyond the end", "at + size * 2 <= end", "at + size <= end"],
  ["leaves are not aligned", "at % (size * 2) === 0 && ", ""],
);

mutate(
  "vindex/frontier.ts",
  ["any number of peaks makes a frontier", "peaks.length !== countBits(treeSize) || ", ""],
  [
    "any number of hashes extends a frontier",
    "if (cover.length !== hashes.length) {",
    "if (cover.length > hashes.length) {",
  ],
);

mutate(
  "vindex/payload.ts",
  ["a value may have 256 bytes", "text.length > MAX_VALUE_LENGTH", "text.length > MAX_VALUE_LENGTH + 1"],
  ["a payload may have any length", "if (bytes.length > MAX_PAYLOAD_LENGTH)", "if (false)"],
  ["bytes may follow an answer", "if (this.#at !== this.#bytes.length)", "if (false)"],
  ["epoch 0 is an epoch", "epoch >= 1 ? epoch", "epoch >= 0 ? epoch"],
  ["a section of cosignatures may be empty", "if (count === 0)", "if (false)"],
  ["a time may be 0", "time < 1 || ", ""],
  ["a time may be beyond 2^53", " || !Number.isSafeInteger(time)", ""],
  ["cosignatures of one time may be in any order", "if (delta === 0 && keyId <=", "if (false && keyId <="],
  ["a key id may stand twice", "if (seen.has(keyId))", "if (false)"],
  ["an absent module may have a state", 'if (text === "" && (', "if (false && ("],
  [
    "the leaf shown may have no value",
    'if (length === 0) reader.refuse("the leaf',
    'if (false) reader.refuse("the leaf',
  ],
  ["a page may be empty", "count < 1 || ", ""],
  ["a page may have 257 records", "count > PAGE_LENGTH", "count > PAGE_LENGTH + 1"],
  [
    "indexes of a page may stand still",
    "logIndex <= (entries.at(-1)?.logIndex ?? -1)",
    "logIndex < (entries.at(-1)?.logIndex ?? -1)",
  ],
  ["a version may have 91 bytes", "length > MAX_VERSION_LENGTH", "length > MAX_VERSION_LENGTH + 1"],
  ["a hash may be cut off", "rest % HASH_LENGTH !== 0", "false"],
  ["the texts of sections may hold any byte", "(b < 0x20 || b > 0x7e) && b !== 0x0a", "false"],
  ["the texts of sections may be empty", 'if (length === 0) this.refuse("an empty', 'if (false) this.refuse("an empty'],
  ["text may stand before a head", 'if (this.takeText() !== "")', 'if (this.takeText() === "none")'],
);

mutate(
  "vindex/varint.ts",
  ["numbers may be longer than they must", "b === 0 && i > 0", "false"],
  ["numbers may be beyond 2^53", "Number.isSafeInteger(value) ? { value", "true ? { value"],
);

mutate(
  "vindex/policy.ts",
  ["one member satisfies any group", ">= rule.threshold", ">= 1"],
  ["one member more than the threshold is needed", ">= rule.threshold", "> rule.threshold"],
  ["the age is of the oldest cosignature", ".sort((a, b) => b.time - a.time)", ".sort((a, b) => a.time - b.time)"],
  ["witness keys of any type are taken", "if (key.type !== type)", "if (false)"],
  ["a member may be in two groups", "if (this.#members.has(member))", "if (false)"],
  ["a threshold may have a leading zero", "/^[1-9][0-9]{0,5}$/", "/^[0-9]{1,6}$/"],
  ["a threshold may be above the members", "k > members.length", "false"],
  ["a name may be defined twice", "if (this.#rules.has(name))", "if (false)"],
  ["the last quorum counts", "if (this.#quorum !== undefined)", "if (false)"],
  ["the byte 0x7F is allowed", "\\u001f\\u007f]/.test(line)", "\\u001f]/.test(line)"],
  ["a log's key may be there twice", "(log) => isSameKey(log.verifierKey, verifierKey)", "() => false"],
  ["a log's name may be there twice", "log.verifierKey.keyName === verifierKey.keyName", "false"],
  ["a witness's key may be there twice", "(w) => isSameKey(w.verifierKey, verifierKey)", "() => false"],
  ["a log line may go on", "items.length < 1 || items.length > 2", "items.length < 1"],
  ["a witness line may go on", "items.length < 2 || items.length > 3", "items.length < 2"],
  ["a quorum line may go on", "if (items.length !== 1)", "if (items.length < 1)"],
  ["none is a name", 'if (name === "none") this.refuse(', "if (false) this.refuse("],
  ["a policy may have a line more", "MAX_LINES = 10_000", "MAX_LINES = 10_001"],
  ["a policy may have a line less", "MAX_LINES = 10_000", "MAX_LINES = 9_999"],
  ["a policy may have a group more", "MAX_GROUPS = 1_000", "MAX_GROUPS = 1_001"],
  ["a policy may have a group less", "MAX_GROUPS = 1_000", "MAX_GROUPS = 999"],
  [
    "the last line of a policy must have a line feed",
    "if (lines.length > MAX_LINES)",
    'if (lines.at(-1) !== "") parser.refuse("no line feed");\n  if (lines.length > MAX_LINES)',
  ],
);

mutate(
  "vindex/cosignature.ts",
  ["the time is not signed", "cosignature/v1\\ntime ", "cosignature/v1\\ntime 1"],
  [
    "the signature of a cosignature is not verified",
    " || !scheme.verify(key.publicKey, message, untrusted.signature)",
    "",
  ],
  ["a note's cosignature may have any length", "if (signature.blob.length !== 72)", "if (false)"],
  [
    "a note's cosignature may be of time 0",
    "!Number.isSafeInteger(time) || time < 1) return",
    "!Number.isSafeInteger(time)) return",
  ],
  [
    "a note's cosignature may be of a time beyond 2^53",
    "!Number.isSafeInteger(time) || time < 1) return",
    "time < 1) return",
  ],
);

mutate(
  "vindex/note.ts",
  ["the key id of a vkey need not fit", "computeKeyId(keyName, type, data) !== keyId", "false"],
  ["a note needs no signature of the key", "if (verified === undefined) {", "if (false) {"],
  [
    "a signature of a note is not verified",
    "if (!scheme.verify(key.publicKey, message, signature.blob)) {",
    "if (false) {",
  ],
  ["the key of a vkey may have any length", "if (data.length !== 33)", "if (false)"],
  [
    "keys that no signature fits do not parse",
    "if (computeKeyId(keyName, type, data) !== keyId) {",
    "if (computeKeyId(keyName, type, data) !== keyId || data[5] === data[6]) {",
  ],
  [
    "one right signature of a key is enough",
    "if (!scheme.verify(key.publicKey, message, signature.blob)) {",
    "if (!scheme.verify(key.publicKey, message, signature.blob)) {\n      continue;",
  ],
  ["only the first signature of a key is looked at", "verified ??= signature;", "return { text, signature };"],
  ["a key name may have U+0085", "\\u007f\\u0085]/.test(keyName)", "\\u007f]/.test(keyName)"],
  ["a key name may have U+007F", "\\u007f\\u0085]/.test(keyName)", "\\u0085]/.test(keyName)"],
  ["a note may have 101 signatures", "MAX_SIGNATURES = 100", "MAX_SIGNATURES = 101"],
  ["a note may have 99 signatures", "MAX_SIGNATURES = 100", "MAX_SIGNATURES = 99"],
  ["a note may be a character longer", "MAX_NOTE_LENGTH = 1_000_000", "MAX_NOTE_LENGTH = 1_000_001"],
  ["a note may be a character less", "MAX_NOTE_LENGTH = 1_000_000", "MAX_NOTE_LENGTH = 999_999"],
);

mutate("vindex/ed25519.ts", [
  "a key may be of small order",
  "!Point.fromBytes(publicKey, false).isSmallOrder()",
  "Point.fromBytes(publicKey, false) !== undefined",
]);

mutate(
  "vindex/evidence.ts",
  ["another key may be in evidence", "expectedKey !== undefined && formatVerifierKey(key) !== expectedKey", "false"],
  ["the notes may be of different logs", "if (older.origin !== newer.origin)", "if (false)"],
  ["the same tree twice is a fork", "return equalBytes(older.rootHash, newer.rootHash)", "return false"],
  ["the new root of a fork is not compared", " || !equalBytes(roots.newRoot, newer.rootHash)", ""],
  ["the old root of a fork is not compared", "!equalBytes(roots.oldRoot, oldRoot) || ", ""],
  ["a tree that goes on is a fork", "if (equalBytes(oldRoot, older.rootHash))", "if (false)"],
  ["the larger tree may stand first", "if (older.treeSize > newer.treeSize)", "if (false)"],
  ["a proof may have 129 hashes", "consistency.length <= 128", "consistency.length <= 129"],
  ["a proof may have 127 hashes", "consistency.length <= 128", "consistency.length <= 127"],
  [
    "the expected key is compared first",
    "  const [older, newer] = evidence",
    '  if (formatVerifierKey(key) !== expectedKey) throw new ProofdnsError("BAD_SIGNATURE", "another key");\n  const [older, newer] = evidence',
  ],
);

mutate(
  "vindex/module-value.ts",
  ["an index may be the sumdb's size", "logIndex >= sumdbSize", "logIndex > sumdbSize"],
  ["a version may be of another path", "!isVersionOfPath(version, path) || ", ""],
  ["the kind may be another one", '(kind ?? "release") !== version.kind', "false"],
  ["the kind release may stand there", ' || kind === "release"', ""],
  ["a pre-release may be lower than the latest", "compareVersions(other.version, latest.version) <= 0", "false"],
  ["items may follow a pre-release", 'if (previous?.version.kind === "pre")', "if (false)"],
  ["items may follow where the latest is no release", 'kind !== "release" || ', ""],
  [
    "majors may stand still",
    "compareDigits(previous.version.major, other.version.major) > 0",
    "compareDigits(previous.version.major, other.version.major) >= 0",
  ],
  ["the latest's major may stand again", " || other.version.major === latest.version.major", ""],
  ["fields may follow the first item's", "if (!first.isDone())", "if (false)"],
  ["fields may follow an item's", "other === undefined || !reader.isDone()", "other === undefined"],
  [
    "incompatible versions are always considered",
    "const considered = hasGoMod ? compatible : state.majors;",
    "const considered = state.majors;",
  ],
  [
    "incompatible versions are never considered",
    "const considered = hasGoMod ? compatible : state.majors;",
    "const considered = compatible;",
  ],
  ["a lower pre-release is shown", "compareVersions(prerelease.version, version) > 0", "true"],
);

mutate(
  "vindex/majors-value.ts",
  [
    "suffixes may stand still",
    "compareSuffixes(previous.major, major) <= 0",
    "compareSuffixes(previous.major, major) < 0",
  ],
  [
    "a path need not be of the family",
    "!isModulePath(path) || (major !== undefined && familyOf(path)?.basePath !== basePath)",
    "false",
  ],
  ["the base path may stand first", "if (previous === undefined) return refuse", "if (false) return refuse"],
  ["fields may follow a family's item", "indexed === undefined || !reader.isDone()", "indexed === undefined"],
);

mutate(
  "vindex/module-state.ts",
  [
    "a state may have lines that do not count",
    'if (checked !== lines.length) return refuse("it is not canonical");',
    "",
  ],
  [
    "releases may stand in any order",
    "release !== undefined && lines[checked++] !== release)",
    "release !== undefined && lines[checked++] === undefined)",
  ],
  [
    "pre-releases may stand in any order",
    "prerelease !== undefined && lines[checked++] !== prerelease)",
    "prerelease !== undefined && lines[checked++] === undefined)",
  ],
  ["a line's kind is not that of its version", "version.kind !== kind || ", ""],
  ["a line's version may be of another path", " || !isVersionOfPath(version, path)", ""],
  [
    "17 incompatible majors are kept",
    "incompatible.length > MAX_INCOMPATIBLE_MAJORS",
    "incompatible.length > MAX_INCOMPATIBLE_MAJORS + 1",
  ],
  [
    "a repeated version replaces",
    "compareVersions(line.version, oldLine.version) <= 0",
    "compareVersions(line.version, oldLine.version) < 0",
  ],
  [
    "a state may not have more lines than records",
    'if (lines.length === 0) return refuse("no version");',
    'if (lines.length === 0 || lines.length > count) return refuse("no version");',
  ],
  [
    "a state may not have an index twice",
    'if (lines.length === 0) return refuse("no version");',
    'if (new Set(lines.map(({ logIndex }) => logIndex)).size < (lines.length || 1)) return refuse("no version");',
  ],
  ["the newest pseudo-version is the highest", "compareDigits(a.timestamp, b.timestamp) || ", ""],
);

mutate(
  "vindex/version.ts",
  ["a version may have 91 bytes", "text.length > MAX_VERSION_LENGTH", "text.length > MAX_VERSION_LENGTH + 1"],
  ["an ident may have a leading zero", "/^0[0-9]+$/.test(ident)", "false"],
  ["a bare timestamp makes any version a pseudo-version", ' && minor === "0" && patch === "0"', ""],
  ["a timestamp after any 0 makes a pseudo-version", 'front.endsWith(".0.")', 'front.endsWith("0.")'],
  ["a number is as high as a word", "if (aIsNumber !== bIsNumber)", "if (false)"],
  ["the shorter list is higher", "return left.length - right.length;", "return right.length - left.length;"],
  ["a pre-release is higher than its release", 'if (a === "") return 1;', 'if (a === "") return -1;'],
);

mutate(
  "vindex/decimal.ts",
  ["digits are compared as text", "if (a.length !== b.length) return a.length - b.length;", ""],
  ["a decimal may have a leading zero", "/^(?:0|[1-9][0-9]*)$/", "/^[0-9]+$/"],
);

mutate(
  "vindex/module-path.ts",
  ["/v1 is a suffix", ' || run === "1"', ""],
  [
    "names of Windows are allowed",
    "if (shortEnd - at <= 4 && RESERVED.test(path.slice(at, shortEnd))) return false;",
    "",
  ],
  ["short names of Windows are allowed", " || !/~[0-9]+$/.test(path.slice(at, shortEnd))", " || true"],
  ["incompatible versions of major 1", ' && version.major !== "1";', ";"],
  ["any version begins gopkg.in's v1", 'suffix.major === "1" && version.text', "version.text"],
  ["-unstable is in a family", "if (!(last >= 0x30 && last <= 0x39)) return undefined;", ""],
  ["a family has 21 digits", "MAX_FAMILY_DIGITS = 20", "MAX_FAMILY_DIGITS = 21"],
);

mutate(
  "vindex/toolchain-value.ts",
  ["an index may be the sumdb's size", "logIndex >= sumdbSize", "logIndex > sumdbSize"],
  ["kinds may stand in any order", "order.indexOf(previous.kind) >= order.indexOf(kind)", "false"],
  ["next may be a release", '(kind === "next") === (version.stage === 2)', "false"],
  [
    "prev may be of cur's minor",
    "compareDigits(previous.minor, current.minor) >= 0",
    "compareDigits(previous.minor, current.minor) > 0",
  ],
  [
    "prev needs no cur",
    "current === undefined || compareDigits(previous",
    "current !== undefined && compareDigits(previous",
  ],
  ["next may be below cur", "compareGoVersions(next, current) <= 0", "false"],
  ["a go may have 41 bytes", "text.length > MAX_LENGTH", "text.length > MAX_LENGTH + 1"],
);

mutate(
  "vindex/value-text.ts",
  ["a value may have 256 bytes", "next.length > MAX_VALUE_LENGTH", "next.length > MAX_VALUE_LENGTH + 1"],
  [
    "an item that does not fit is skipped",
    "if (next.length > MAX_VALUE_LENGTH) break;",
    "if (next.length > MAX_VALUE_LENGTH) continue;",
  ],
  ["hashes may have any length", "hash?.length === HASH_LENGTH ? hash", "true ? hash"],
);

mutate("vindex/base64.ts", [
  "spare bits may be set",
  "return bits === 0 ? out : undefined;\n}\n\nconst ALPHABET32",
  "return out;\n}\n\nconst ALPHABET32",
]);

mutate(
  "audit/transition.ts",
  ["the old map root is not compared", "if (!equalBytes(parts.tree.rootHash(), old.mapRoot))", "if (false)"],
  ["the old sumdb root is not compared", "if (!equalBytes(frontier.root(), old.rootHash))", "if (false)"],
  ["the old size is not compared", "if (oldSize !== old.treeSize)", "if (false)"],
  ["the old leaf needs no signature", "  verifyTreeHead(input, leaf);\n  return leaf;", "  return leaf;"],
  ["the new tree head needs no signature", "  verifyTreeHead(input, { treeHead, sumdbSignature });\n", ""],
  [
    "a state need not give its value",
    "if (computeModuleValue(path, state, stateText, sha256) !== decodeUtf8(value))",
    "if (false)",
  ],
  ["a family may forget a member", "if (expected !== items)", "if (false)"],
  [
    "a leaf is of any key",
    "return equalBytes(leaf.indexKey, indexKey) ? leaf.value : undefined;\n  };",
    "return leaf.value;\n  };",
  ],
  ["items may be left over", "if (this.#items < items.length)", "if (false)"],
  ["states may be left over", "if (this.#states < states.length)", "if (false)"],
  ["leaves may be left over", "if (this.#leaves.size < tree.leafCount)", "if (false)"],
  ["the old toolchain is forgotten", "if (value === undefined) return [];", "return [];"],
  [
    "a state may not count more than the old size",
    "    states.set(path, state);\n",
    '    if (state.subLog.treeSize > 63) return refuseState("n");\n    states.set(path, state);\n',
  ],
);

mutate(
  "audit/evidence.ts",
  ["evidence may name any checksum database", "if (formatVerifierKey(sumdbKey) !== expectedSumdbKey)", "if (false)"],
  ["an old leaf may be missing", "hasOld === (epoch === 1)", "hasOld && epoch === 1"],
  ["a proof may have 65 hashes", "MAX_PROOF = 64", "MAX_PROOF = 65"],
  ["a proof may have 63 hashes", "MAX_PROOF = 64", "MAX_PROOF = 63"],
);

mutate(
  "audit/touched.ts",
  ["a family is not asked for by its base path", "if (!hasMember.has(path)) hasMember.set(path, false);", ""],
  [
    "families are asked in another order",
    "return asked.sort((a, b) => compareBytes(a.indexKey, b.indexKey));",
    "return asked.sort((a, b) => compareBytes(b.indexKey, a.indexKey));",
  ],
  [
    "paths are asked in another order",
    "keyed.sort((a, b) => compareBytes(a.indexKey, b.indexKey));",
    "keyed.sort((a, b) => compareBytes(b.indexKey, a.indexKey));",
  ],
  ["members are not loaded", "touched.add(familyMemberPath(basePath, major));", ";"],
  ["the base path is not loaded", "    touched.add(basePath);\n", ""],
  [
    "uncut items need no proof",
    "if (!isAllItems(value, items, sha256) || computeMajorsValue(items, sha256) !== text)",
    "if (false)",
  ],
);

mutate(
  "vindex/pruned-tree.ts",
  ["a key may lead to a stub", "if (node?.kind === STUB) {", "if (false) {"],
  ["bytes after the root are ignored", "if (reader.at !== bytes.length)", "if (false)"],
);
