import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { ProofdnsError } from "../../vindex/error.ts";

/** A certificate chain and its private key, as PEM text. Plain values: threads send them to each other. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Checks that a server can use the files: there is a certificate and a key, and they belong together.
 *
 * @throws ProofdnsError `KEY_UNUSABLE`
 */
export function checkTlsFiles({ cert, key }: TlsFiles): void {
  try {
    // A context takes an empty text, and then fails with every asker.
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new Error("the key is not that of the first certificate");
    }
    createSecureContext({ cert, key });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ProofdnsError("KEY_UNUSABLE", `the certificate and key of DNS over HTTPS cannot be used: ${why}`, {
      cause,
    });
  }
}
