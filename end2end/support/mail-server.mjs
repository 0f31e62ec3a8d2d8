// A real mail server on loopback (npm's smtp-server) with STARTTLS and a certificate of its own, that keeps what it gets.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { SMTPServer } from 'smtp-server';

export class MailServer {
  #got = [];
  #server;

  static async start() {
    const mail = new MailServer();
    const { key, cert } = await certificateOf('localhost');
    mail.certificate = cert;
    mail.#server = new SMTPServer({
      key,
      cert,
      authOptional: true,
      // Nothing is taken in clear text.
      onMailFrom: (_, { secure }, done) => done(secure ? undefined : new Error('STARTTLS first')),
      onData: (stream, { envelope }, done) => {
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('end', () => {
          mail.#got.push({ to: envelope.rcptTo.map(({ address }) => address), letter: Buffer.concat(chunks).toString() });
          done();
        });
      },
    });
    await new Promise((resolve) => mail.#server.listen(0, '127.0.0.1', resolve));
    return mail;
  }

  get port() {
    return this.#server.server.address().port;
  }

  // What it has got, the oldest first: to whom, and the letter.
  get got() {
    return [...this.#got];
  }

  stop() {
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

async function certificateOf(name) {
  const directory = await mkdtemp(join(tmpdir(), 'memdeck-mail-'));
  try {
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    // As an authority it would be refused as a server's certificate.
    const extensions = ['-addext', `subjectAltName=DNS:${name}`, '-addext', 'basicConstraints=critical,CA:FALSE'];
    const request = ['req', '-x509', ...curve, '-nodes', '-days', '2', '-subj', `/CN=${name}`, ...extensions];
    await promisify(execFile)('openssl', [...request, '-keyout', key, '-out', cert]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
