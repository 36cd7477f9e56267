/** How a reply came. By `tcp` and `https` it can neither be forged blindly nor be cut. */
export type TransportKind = "udp" | "tcp" | "https";

/** What every reply says of its way. */
export interface ReplyOrigin {
  /** Size of the DNS message. */
  readonly messageBytes: number;
  readonly transport: TransportKind;
  /** The server that was asked, for people: `192.0.2.1:53`, `https://dns.example/dns-query`. */
  readonly server: string;
}

/** What a name server or resolver said about the TXT record at one name. Nothing of it is proven. */
export type TxtReply =
  | (ReplyOrigin & {
      readonly kind: "txt";
      /** The record's character-strings, concatenated; not aliased. */
      readonly payload: Uint8Array;
      /** Seconds. */
      readonly ttl: number;
    })
  | (ReplyOrigin & {
      readonly kind: "nodata" | "nxdomain";
      /** Seconds for which the denial may be kept; undefined if the reply does not say. */
      readonly ttl: number | undefined;
    });

/** How one query is made. */
export interface QueryOptions {
  /** Ends the query; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** True to ask at once in a way in which a reply cannot be forged blindly or cut: by TCP, or by HTTPS. */
  readonly tcp?: boolean;
  /**
   * How many ways were tried before, and did not bring what can be verified: 0 for the first. From 1 on each attempt goes a way of
   * its own, to one server, that all questions of this attempt go; there are `Transport.ways`.
   */
  readonly attempt?: number;
}

/**
 * Asks for TXT records. The one door between a client and the network: everything behind it may lie, so a reply is
 * only ever a claim to be verified.
 */
export interface Transport {
  /**
   * Asks for the TXT record at `name`, in wire format.
   *
   * @throws ProofdnsError `REFUSED` if the server does not serve the name, `UNREACHABLE` if no usable reply came, and
   *   `MALFORMED_MESSAGE` if one came that is no reply to such a question
   * @throws TypeError if `name` is not one name in wire format (caller bug)
   */
  query(name: Uint8Array, options?: QueryOptions): Promise<TxtReply>;
  /** How many attempts make sense, the first included; 1 if it is not said. */
  readonly ways?: number;
  /** Ends what is under way, and frees what is held. A closed transport is not used again. */
  close?(): void;
}
