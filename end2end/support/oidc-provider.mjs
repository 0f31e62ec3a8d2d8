// A certified provider of OpenID Connect (npm's oidc-provider) on loopback, with the sign-in pages that it has for development:
// any password will do. It is on another site than memdeck for a browser: `localhost` is not `127.0.0.1`.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const CLIENT = { client_id: 'memdeck', client_secret: 'a secret of some length' };

export class OidcProvider {
  #server;

  // `people`: the groups of each, by name. Answers nothing until it serves somebody.
  static async start(people) {
    const provider = new OidcProvider();
    provider.people = people;
    provider.#server = createServer();
    await new Promise((resolve) => provider.#server.listen(0, '127.0.0.1', resolve));
    provider.issuer = `http://localhost:${provider.#server.address().port}`;
    return provider;
  }

  // What a memdeck is told whose people sign in here.
  get settings() {
    return {
      OIDC_ISSUER: this.issuer,
      OIDC_CLIENT_ID: CLIENT.client_id,
      OIDC_CLIENT_SECRET: CLIENT.client_secret,
      OIDC_NAME: 'the house',
      OIDC_SCOPES: 'openid profile groups',
    };
  }

  // Lets people return to a memdeck at `url`. `further`: configuration of the provider.
  serve(url, further = {}) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const provider = new Provider(this.issuer, {
      clients: [{ ...CLIENT, redirect_uris: [`${url}/sign-in/oidc/callback`] }],
      cookies: { keys: [randomBytes(16).toString('hex')] },
      jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] },
      claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
      findAccount: (_, name) => ({
        accountId: name,
        claims: () => ({ sub: name, preferred_username: name, groups: this.people[name] ?? [] }),
      }),
      ...further,
    });
    this.#server.on('request', provider.callback());
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
