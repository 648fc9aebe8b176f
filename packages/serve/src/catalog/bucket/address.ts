/**
 * Where an S3-compatible prefix is, and with which credentials it is read: the address from whoever configures the server, the
 * rest from the variables of the environment that every AWS tool reads.
 *
 *     s3://bucket/models                      AWS, or AWS_ENDPOINT_URL_S3
 *     s3://https://minio.local:9000/bucket/models     as Triton writes another endpoint
 */
import { fail, type SlipwayError } from '@slipway/core';

export interface BucketAddress {
  /** `https://host`, without the bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Without a slash at either end; may be empty. */
  readonly prefix: string;
  /** The bucket is the first segment of the path, not the first label of the host. */
  readonly pathStyle: boolean;
  readonly region: string;
  /** null: requests are not signed. */
  readonly credentials: Credentials | null;
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function isBucketAddress(text: string): boolean {
  return text.startsWith('s3://');
}

/** @throws USAGE */
export function bucketAddress(text: string, env: Environment): BucketAddress {
  const wrong = (problem: string): SlipwayError => fail('USAGE', { problem: `${text}: ${problem}` });
  const [, endpointGiven, rest = ''] = /^s3:\/\/(?:(https?:\/\/[^/]+)\/)?(.*)$/.exec(text) ?? [];
  const [bucket = '', ...segments] = rest.split('/').filter((segment) => segment !== '');
  if (!/^[a-z0-9][a-z0-9._-]{1,62}$/i.test(bucket)) throw wrong('write s3://BUCKET/PREFIX');
  if (segments.some((segment) => segment === '.' || segment === '..')) throw wrong('a prefix has no "." or ".." in it');
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? 'us-east-1';
  const custom = endpointGiven ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  const endpoint = custom ?? `https://s3.${region}.amazonaws.com`;
  if (!URL.canParse(endpoint) || new URL(endpoint).username !== '') throw wrong(`the endpoint is not a URL`);
  return {
    endpoint: new URL(endpoint).origin,
    bucket,
    prefix: segments.join('/'),
    // What is no AWS has seldom a name per bucket; a dot in a name does not fit a certificate.
    pathStyle: custom !== undefined || bucket.includes('.') || env['AWS_S3_FORCE_PATH_STYLE'] === 'true',
    region,
    credentials: credentialsOf(env, wrong),
  };
}

function credentialsOf(env: Environment, wrong: (problem: string) => SlipwayError): Credentials | null {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: token } = env;
  if (accessKeyId === undefined && secretAccessKey === undefined) return null;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw wrong('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, and one is missing');
  }
  return { accessKeyId, secretAccessKey, ...(token === undefined ? {} : { sessionToken: token }) };
}
