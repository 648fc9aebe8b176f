/**
 * The two requests that reading models from S3 takes: list and get. Signed when there are credentials; a redirect is not
 * followed, because the signature, or the object, would go to or come from a host that nobody named. Messages name bucket, key
 * and status, never a header.
 */
import { fail, type SlipwayError } from '@slipway/core';
import type { BucketAddress } from './address.ts';

export interface BucketObject {
  /** Relative to the prefix. */
  readonly key: string;
  readonly size: number;
  /** As the server gives it, without quotes; changes with the content. */
  readonly etag: string;
}

interface ObjectContent {
  readonly body: AsyncIterable<Uint8Array>;
  /** MD5 of the content in hexadecimal, where the server says it so that it can be relied on. */
  readonly md5: string | null;
  /** SHA-256 of the content in base64, where the server says it. */
  readonly sha256: string | null;
}

export interface BucketClient {
  /** @throws SOURCE_UNREADABLE */
  list(): Promise<readonly BucketObject[]>;
  /** The object as it was listed. @throws SOURCE_UNREADABLE, also when it changed since */
  get(object: BucketObject): Promise<ObjectContent>;
}

/** A page of a listing has 1000 keys of at most 1 KB, four times as long when they are encoded. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_OBJECTS = 100_000;
const LIST_TIMEOUT_MS = 30_000;
const GET_TIMEOUT_MS = 15 * 60_000;
const ATTEMPTS = 3;

export function bucketClient(address: BucketAddress, fetcher: typeof fetch = fetch): BucketClient {
  const root = rootUrl(address);
  const request = async (url: URL, headers: Record<string, string>, timeoutMs: number): Promise<Response> => {
    for (let attempt = 1; ; attempt++) {
      const answer = await send(address, url, headers, timeoutMs, fetcher);
      const again = answer instanceof Error || answer.status >= 500 || answer.status === 429;
      if (!again) return answer;
      if (attempt === ATTEMPTS) {
        throw answer instanceof Error ? answer : await refusal(address, url, answer);
      }
      if (!(answer instanceof Error)) await answer.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
    }
  };
  return {
    async list() {
      const objects: BucketObject[] = [];
      const base = address.prefix === '' ? '' : `${address.prefix}/`;
      let token: string | undefined;
      do {
        const url = new URL(root);
        const query = {
          'list-type': '2',
          prefix: base,
          'encoding-type': 'url',
          ...(token === undefined ? {} : { 'continuation-token': token }),
        };
        for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
        const answer = await request(url, {}, LIST_TIMEOUT_MS);
        if (answer.status !== 200) throw await refusal(address, url, answer);
        const page = await readPage(await boundedText(answer), address);
        for (const { key, ...object } of page.objects) {
          if (!key.startsWith(base)) throw unreadable(address, 'the listing has keys outside the prefix');
          if (key.length > base.length && !key.endsWith('/')) objects.push({ ...object, key: key.slice(base.length) });
        }
        if (objects.length > MAX_OBJECTS) throw unreadable(address, `there are more than ${MAX_OBJECTS} objects`);
        token = page.next;
      } while (token !== undefined);
      return objects;
    },
    async get({ key, etag }) {
      const path = [...(address.prefix === '' ? [] : [address.prefix]), key].join('/');
      const url = new URL(root);
      url.pathname = `${url.pathname.replace(/\/$/, '')}/${path.split('/').map(encodeURIComponent).join('/')}`;
      const answer = await request(url, { 'If-Match': `"${etag}"`, 'x-amz-checksum-mode': 'ENABLED' }, GET_TIMEOUT_MS);
      if (answer.status !== 200 || answer.body === null) throw await refusal(address, url, answer);
      const encrypted = answer.headers.get('x-amz-server-side-encryption') ?? 'AES256';
      return {
        body: answer.body,
        // Of parts, or encrypted with a key of the client, it is something else.
        md5: /^[0-9a-f]{32}$/.test(etag) && encrypted === 'AES256' ? etag : null,
        sha256: wholeChecksum(answer.headers.get('x-amz-checksum-sha256')),
      };
    },
  };
}

function rootUrl({ endpoint, bucket, pathStyle }: BucketAddress): URL {
  const url = new URL(endpoint);
  if (pathStyle) url.pathname = `/${bucket}`;
  else url.hostname = `${bucket}.${url.hostname}`;
  return url;
}

/** A failure to reach the server is a value here: it may pass. */
async function send(
  address: BucketAddress,
  url: URL,
  headers: Record<string, string>,
  timeoutMs: number,
  fetcher: typeof fetch,
): Promise<Response | SlipwayError> {
  const { credentials, region } = address;
  const init = { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) } as const;
  try {
    if (credentials === null) return await fetcher(url, { ...init, headers });
    // Who reads no bucket loads neither this nor the XML parser.
    const { AwsV4Signer } = await import('aws4fetch');
    const signed = await new AwsV4Signer({ url: url.href, headers, ...credentials, service: 's3', region }).sign();
    return await fetcher(signed.url, { ...init, headers: signed.headers });
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return unreadable(
      address,
      `${new URL(address.endpoint).host} does not answer (${cause?.code ?? (error as Error).name})`,
    );
  }
}

/** Why a request was refused, by what S3 says in the body of an error. */
async function refusal(address: BucketAddress, url: URL, answer: Response): Promise<SlipwayError> {
  const text = await boundedText(answer).catch(() => '');
  const code = /<Code>([A-Za-z0-9.]{1,100})<\/Code>/.exec(text)?.[1];
  const region = answer.headers.get('x-amz-bucket-region');
  const moved = answer.status >= 300 && answer.status < 400;
  const key = decodeURIComponent(url.pathname.slice(1));
  const about = `status ${answer.status}${code === undefined ? '' : ` ${code}`} for ${key === '' ? address.bucket : key}`;
  if (moved && region !== null) return unreadable(address, `${about}: set AWS_REGION to ${region.slice(0, 40)}`);
  if (moved) return unreadable(address, `${about}: redirects are not followed`);
  return unreadable(address, answer.status === 412 ? `${about}: it changed while it was read` : about);
}

function unreadable({ bucket, prefix }: BucketAddress, problem: string): SlipwayError {
  return fail('SOURCE_UNREADABLE', { source: `s3://${bucket}/${prefix}`, problem });
}

async function boundedText(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  if (answer.body === null) return '';
  for await (const part of answer.body as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_PAGE_BYTES) throw new Error(`an answer of more than ${MAX_PAGE_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

interface Page {
  readonly objects: readonly BucketObject[];
  readonly next: string | undefined;
}

/** Entities are not expanded: keys come in URL encoding, and an ETag needs none but its quotes. */
async function readPage(xml: string, address: BucketAddress): Promise<Page> {
  const { XMLParser } = await import('fast-xml-parser');
  const parser = new XMLParser({
    processEntities: false,
    parseTagValue: false,
    isArray: (name) => name === 'Contents',
  });
  let root: unknown;
  try {
    root = (parser.parse(xml) as Record<string, unknown>)['ListBucketResult'];
  } catch {
    root = undefined;
  }
  if (typeof root !== 'object' || root === null) throw unreadable(address, 'the listing is not one of S3');
  const { Contents: contents = [], NextContinuationToken: next } = root as Record<string, unknown>;
  const objects = (contents as Record<string, unknown>[]).map(({ Key: key, Size: size, ETag: etag }) => {
    const bytes = Number(size);
    if (typeof key !== 'string' || typeof etag !== 'string' || !Number.isSafeInteger(bytes)) {
      throw unreadable(address, 'an object of the listing has no key, size or ETag');
    }
    return { key: decodeKey(key), size: bytes, etag: etag.replaceAll(/&quot;|"/g, '') };
  });
  return { objects, next: typeof next === 'string' && next !== '' ? next : undefined };
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}

/** Of an object of parts it is the checksum of their checksums, which says nothing here. */
function wholeChecksum(header: string | null): string | null {
  return header !== null && !header.includes('-') ? header : null;
}
