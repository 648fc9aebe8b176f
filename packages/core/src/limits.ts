/**
 * Bounds on what comes from outside, each with the reason for its value. One home: documentation and tests read them
 * from here.
 */

export const LIMITS = {
  /** One request body, bytes. Triton's default is 64 MiB. */
  maxBodyBytes: 64 * 1024 * 1024,
  /** Nesting of a JSON request. Tensors of rank > 8 do not occur; Triton stops at 100. */
  maxJsonDepth: 100,
  /** HTTP request headers, count. Envoy's default. */
  maxHeaders: 100,
  /** Serialized protobuf. The format itself cannot exceed it. */
  maxProtobufBytes: 2 ** 31 - 1,
  /** Nesting of protobuf messages: a graph attribute costs two levels, real models nest control flow < 10 deep. */
  maxProtobufDepth: 100,
  /**
   * Memory that decoding a model may take beyond the file itself, estimated: messages, names and typed fields. Weights
   * stored as raw_data take none. A model of 10^5 nodes takes about 200 MB; float_data of 10^8 weights would exceed it.
   */
  maxModelObjectBytes: 1024 ** 3,
  /** Nodes in one model. The largest exported LLMs have < 10^5. */
  maxNodes: 2_000_000,
  /** Rank of a tensor. ONNX Runtime's kernels stop well below. */
  maxRank: 64,
  /** Manifest (slipway.json), bytes. */
  maxManifestBytes: 4 * 1024 * 1024,
  /** An OCI manifest in the store, bytes. What registries must accept. */
  maxOciManifestBytes: 4 * 1024 * 1024,
  /** index.json of the store, bytes: about 300,000 releases. */
  maxIndexBytes: 128 * 1024 * 1024,
  /** A report in the store, bytes. One candidate is about 10 KB. */
  maxReportBytes: 64 * 1024 * 1024,
  /** One array of a .npz or one .npy read into memory, bytes. */
  maxArrayBytes: 8 * 1024 ** 3,
  /** A .csv, .json or .jsonl data file, bytes. Text takes about ten times as much in memory; more belongs in a .npz. */
  maxTextDataBytes: 256 * 1024 * 1024,
  /** Values of choices in one recipe that are checked against the schema. A search of thousands of values is a mistake. */
  maxRecipeVariants: 10_000,
  /** One text to be tokenized, bytes: a chapter of a book, far more tokens than any model takes. Twice the text, twice the time. */
  maxTextBytes: 128 * 1024,
  /** A tokenizer.json, bytes. Those of 256,000 tokens have 35 MB. */
  maxTokenizerBytes: 128 * 1024 * 1024,
  /** Pixels of an image to be decoded: a frame of 8K. As RGB it takes 100 MB, and as much again on the way. */
  maxImagePixels: 2 ** 25,
  /** Tensors that the transforms of one request may make, bytes: what a queue holds. */
  maxTransformedBytes: 256 * 1024 * 1024,
  /** A .npy header, bytes. NumPy writes < 1 KB. */
  maxNpyHeaderBytes: 64 * 1024,
} as const;
