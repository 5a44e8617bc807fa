const BLOCK = 512;

/** Returns the bytes of one file in a tar archive, by its name in the archive. Undefined if there is no such file. */
export function fileInTar(archive: Buffer, name: string): Buffer | undefined {
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    const size = Number.parseInt(text(header, 124, 12), 8) || 0;
    const content = at + BLOCK;
    if (text(header, 0, 100) === name) {
      return content + size <= archive.length ? archive.subarray(content, content + size) : undefined;
    }
    at = content + Math.ceil(size / BLOCK) * BLOCK;
  }
  return undefined;
}

/** Reads a field of a header, which ends at its first NUL. */
function text(header: Buffer, start: number, length: number): string {
  return header.toString('latin1', start, start + length).split('\0')[0] ?? '';
}
