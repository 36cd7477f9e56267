/** What a name server or resolver said about the TXT record at one name. Nothing of it is proven. */
export type TxtReply =
  | {
      readonly kind: "txt";
      /** The record's character-strings, concatenated; not aliased. */
      readonly payload: Uint8Array;
      readonly ttl: number;
      /** Size of the reply. */
      readonly messageBytes: number;
      readonly transport: "udp" | "tcp";
    }
  | {
      readonly kind: "nodata" | "nxdomain";
      /** How long the denial may be kept; undefined if the reply does not say. */
      readonly ttl: number | undefined;
      readonly messageBytes: number;
      readonly transport: "udp" | "tcp";
    };

/** How one query is made. */
export interface QueryOptions {
  /** Ends the query; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** True to ask by TCP at once, where a reply cannot be forged blindly or cut. */
  readonly tcp?: boolean;
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
}
