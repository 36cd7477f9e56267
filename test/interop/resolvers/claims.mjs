// Whether the resolvers did what they were set up for, as seen on the wire at the authority.
import { ask } from "./dig.mjs";
import { questionOf, readRecording } from "./recorder.mjs";
import { ZONE } from "./world.mjs";

const MINIMISED = "wire: asks ancestors (QNAME minimisation)";
const MIXED_CASE = "wire: mixes case (0x20)";
const TCP = "wire: uses TCP";
const AGGRESSIVE = "wire: denies from cached NSEC";
export const CLAIMS = [MINIMISED, MIXED_CASE, TCP, AGGRESSIVE];

/** No case asks for these: a resolver that minimises asks for the second when it is asked for the first. */
const BELOW = `a.b.minimised.${ZONE}`;
const ANCESTOR = `minimised.${ZONE}`;
/** A name that no case asks for: once one type of it is denied, the NSEC denies the other. */
const DENIED = `aggressive._.example.com.p1.${ZONE}`;
const TYPE_MX = 15;

export async function checkClaims(setups, recorder, matrix) {
  await Promise.all(
    setups.map(async ({ address }) => {
      await ask(address, BELOW, "A");
      await ask(address, DENIED, "A");
      await ask(address, DENIED, "MX");
    }),
  );
  const messages = await readRecording(recorder);
  for (const { name, address, claims } of setups) {
    const asked = messages
      .filter(({ peer, reply }) => peer === address && !reply)
      .map(({ via, hex }) => ({ via, ...(questionOf(hex) ?? { labels: [], type: 0 }) }));
    const told = (row, claim, reason) => {
      if (typeof claim === "string") matrix.notApplicable(row, name, claim);
      else if (reason === undefined) matrix.ok(row, name);
      else matrix.fail(row, name, `${reason} (${asked.length} questions recorded)`);
    };
    const names = asked.map(({ labels }) => labels.join(".").toLowerCase());
    told(MINIMISED, claims.minimised, names.includes(ANCESTOR) ? undefined : `never asked for ${ANCESTOR}`);
    const hasMixed = asked.some(
      ({ labels }) => /[a-z]/.test(labels.join("")) && /[A-Z]/.test(labels.slice(-3).join("")),
    );
    told(MIXED_CASE, claims.mixedCase, hasMixed ? undefined : "never mixed the case of the zone's name");
    const udp = asked.filter(({ via }) => via === "udp").length;
    const tcp = asked.length - udp;
    const isRight = tcp > 0 && (claims.tcp === "only" ? udp === 0 : udp > 0);
    told(TCP, true, isRight ? undefined : `${udp} questions by UDP, ${tcp} by TCP; expected TCP as ${claims.tcp}`);
    const isAsked = asked.some(({ type }, i) => type === TYPE_MX && names[i] === DENIED);
    told(AGGRESSIVE, claims.denies, isAsked ? `asked for another type of ${DENIED}` : undefined);
  }
}
