/**
 * Server reflection, `grpc.reflection.v1` and `v1alpha`, which are the same but for the name: what services there are and how
 * their messages look, for grpcurl, Postman and clients without definitions of their own.
 * https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
 *
 * The definitions are those in proto/, compiled when the code was (`node tools/codegen.ts`). They are read when somebody asks
 * for the first time. A file is answered with all files it imports, as other servers do.
 */
import { DESCRIPTORS } from './generated/descriptors.ts';
import type { Call, Incoming, Methods } from './method.ts';
import { ProtoReader } from './reader.ts';
import { STATUS_CODE } from './status.ts';
import { ProtoWriter } from './writer.ts';

export const REFLECTION_SERVICES: readonly string[] = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

/** @param others what else the server offers; services without a definition are not listed */
export function reflectionMethods(others: Methods): Methods {
  const services = [...new Set(Object.keys(others).map((path) => path.split('/')[1] ?? '')), ...REFLECTION_SERVICES];
  let catalog: DescriptorCatalog | null = null;
  const open = (call: Call): Incoming => ({
    full: false,
    message(bytes) {
      catalog ??= new DescriptorCatalog(Buffer.from(DESCRIPTORS, 'base64'));
      call.send(answer(bytes, catalog, services));
    },
    end: () => call.end(),
  });
  return Object.fromEntries(
    REFLECTION_SERVICES.map((service) => [`/${service}/ServerReflectionInfo`, { kind: 'stream', open }]),
  );
}

/** Fields of ServerReflectionRequest and ServerReflectionResponse. */
const ASK = { host: 1, file: 3, symbol: 4, extension: 5, extensionNumbers: 6, services: 7 } as const;
const TELL = { host: 1, request: 2, files: 4, extensionNumbers: 5, services: 6, error: 7 } as const;

function answer(request: Buffer, catalog: DescriptorCatalog, services: readonly string[]): ProtoWriter {
  const reader = new ProtoReader(request);
  let host = '';
  let kind = 0;
  let name = '';
  while (reader.next()) {
    if (reader.field === ASK.host) host = reader.string();
    else if (reader.field === ASK.extension) {
      kind = reader.field;
      reader.skip();
    } else if (reader.field >= ASK.file && reader.field <= ASK.services) {
      kind = reader.field;
      name = reader.string();
    } else reader.skip();
  }
  const writer = new ProtoWriter().string(TELL.host, host).bytes(TELL.request, request);
  switch (kind) {
    case ASK.services: {
      const list = new ProtoWriter();
      for (const service of services) {
        if (catalog.fileOf(service) !== undefined) list.message(1, new ProtoWriter().string(1, service));
      }
      return writer.message(TELL.services, list);
    }
    case ASK.file:
    case ASK.symbol: {
      const file = kind === ASK.file ? name : catalog.fileOf(name);
      const found = file === undefined ? [] : catalog.withImports(file);
      if (found.length === 0) return failed(writer, 'NOT_FOUND', `${name.slice(0, 200)} is not known here`);
      const files = new ProtoWriter();
      for (const descriptor of found) files.bytes(1, descriptor);
      return writer.message(TELL.files, files);
    }
    case ASK.extensionNumbers:
      if (catalog.fileOf(name) === undefined) {
        return failed(writer, 'NOT_FOUND', `${name.slice(0, 200)} is not known here`);
      }
      return writer.message(TELL.extensionNumbers, new ProtoWriter().string(1, name));
    case ASK.extension:
      return failed(writer, 'NOT_FOUND', 'there are no extensions here');
    default:
      return failed(writer, 'INVALID_ARGUMENT', 'the request asks for nothing');
  }
}

function failed(writer: ProtoWriter, status: keyof typeof STATUS_CODE, message: string): ProtoWriter {
  return writer.message(TELL.error, new ProtoWriter().int(1, STATUS_CODE[status]).string(2, message));
}

/** A FileDescriptorSet (descriptor.proto), by file and by symbol. */
export class DescriptorCatalog {
  readonly #files = new Map<string, { readonly bytes: Buffer; readonly imports: readonly string[] }>();
  readonly #symbols = new Map<string, string>();

  constructor(set: Buffer) {
    const reader = new ProtoReader(set);
    while (reader.next()) {
      if (reader.field === 1) this.#addFile(reader.bytes());
      else reader.skip();
    }
  }

  /** The file that defines a message, an enum, a service or a method; undefined for none. */
  fileOf(symbol: string): string | undefined {
    return this.#symbols.get(symbol);
  }

  /** A file after everything it imports; empty for one that is not here. */
  withImports(name: string): Buffer[] {
    const found = new Map<string, Buffer>();
    const add = (file: string): void => {
      const known = this.#files.get(file);
      if (known === undefined || found.has(file)) return;
      known.imports.forEach(add);
      found.set(file, known.bytes);
    };
    add(name);
    return [...found.values()];
  }

  /** FileDescriptorProto. */
  #addFile(bytes: Buffer): void {
    const reader = new ProtoReader(bytes);
    let name = '';
    let scope = '';
    const imports: string[] = [];
    const symbols: string[] = [];
    while (reader.next()) {
      if (reader.field === 1) name = reader.string();
      else if (reader.field === 2) scope = reader.string();
      else if (reader.field === 3) imports.push(reader.string());
      else if (reader.field === 4) symbols.push(...namesIn(reader.bytes(), NESTED));
      else if (reader.field === 5) symbols.push(...namesIn(reader.bytes(), []));
      else if (reader.field === 6) symbols.push(...namesIn(reader.bytes(), [METHOD]));
      else reader.skip();
    }
    this.#files.set(name, { bytes, imports });
    for (const symbol of symbols) this.#symbols.set(scope === '' ? symbol : `${scope}.${symbol}`, name);
  }
}

/** Fields of DescriptorProto that hold what has names of its own: nested messages and enums. */
const NESTED: readonly number[] = [3, 4];
/** Of ServiceDescriptorProto. */
const METHOD = 2;

/** Of a message, an enum, a service or a method, all of which have their name in field 1; and of what is inside. */
function namesIn(bytes: Buffer, inside: readonly number[]): string[] {
  const reader = new ProtoReader(bytes);
  let name = '';
  const inner: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (inside.includes(reader.field)) inner.push(...namesIn(reader.bytes(), inside === NESTED ? NESTED : []));
    else reader.skip();
  }
  return [name, ...inner.map((symbol) => `${name}.${symbol}`)];
}
