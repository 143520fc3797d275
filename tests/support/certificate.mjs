// Self-signed X.509 certificates, as providers publish them. Node can read them, but not make them.
import { sign, X509Certificate } from 'node:crypto';

/** A DER value: tag, length and content. */
function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const { length } = content;
  const bytes = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  const head = length < 128 ? [length] : [0x80 | bytes.length, ...bytes];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts) => der(0x30, ...parts);
const number = (value) => der(0x02, Buffer.from([value]));
const utcTime = (text) => der(0x17, Buffer.from(text));
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const name = (text) => sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(text)))));
const SHA256_WITH_RSA = sequence(Buffer.from('06092a864886f70d01010b0500', 'hex'));

/** A certificate in PEM of an RSA key of `makeKey`, valid in this century. */
export function certificate({ key, public: publicKey }, subject = 'securetoken.example') {
  const toBeSigned = sequence(
    der(0xa0, number(2)),
    number(7),
    SHA256_WITH_RSA,
    name(subject),
    sequence(utcTime('000101000000Z'), utcTime('491231235959Z')),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toBeSigned, key));
  const made = new X509Certificate(sequence(toBeSigned, SHA256_WITH_RSA, signature));
  if (!made.verify(publicKey)) throw new Error('the certificate is not sound');
  return made.toString();
}
