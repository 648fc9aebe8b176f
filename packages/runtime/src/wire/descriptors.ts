/** The descriptors a runner inherits, after stdin, stdout and stderr. */
export const FD = { socket: 3, requests: 4, replies: 5 } as const;
