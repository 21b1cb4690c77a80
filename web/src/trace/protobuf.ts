// A reader of messages in protobuf, field by field. What is not asked for is skipped, and copied by nobody.
const texts = new TextDecoder();

export class Message {
  /** Number of the field that was read last. */
  field = 0;
  private wire = 0;
  private isUnread = false;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array, private at = 0, private readonly end = bytes.length) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset);
  }

  /** Goes on to the next field; false at the end. */
  next(): boolean {
    if (this.isUnread) this.skip();
    if (this.at >= this.end) return false;
    const tag = this.varint();
    this.field = tag >>> 3;
    this.wire = tag & 7;
    this.isUnread = true;
    return true;
  }

  number(): number {
    this.isUnread = false;
    return this.varint();
  }

  /** A signed integer of 64 bits. */
  int64(): bigint {
    this.isUnread = false;
    let found = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      found |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, found);
    }
    throw malformed();
  }

  fixed64(): bigint {
    return this.view.getBigUint64(this.eight(), true);
  }

  double(): number {
    return this.view.getFloat64(this.eight(), true);
  }

  content(): Uint8Array {
    const from = this.delimited();
    return this.bytes.subarray(from, this.at);
  }

  text(): string {
    return texts.decode(this.content());
  }

  message(): Message {
    const from = this.delimited();
    return new Message(this.bytes, from, this.at);
  }

  private delimited(): number {
    this.isUnread = false;
    const length = this.varint();
    return this.advance(length);
  }

  private eight(): number {
    this.isUnread = false;
    return this.advance(8);
  }

  /** Moves on by so many bytes, and returns where they begin. */
  private advance(length: number): number {
    const from = this.at;
    this.at += length;
    if (this.at > this.end) throw malformed();
    return from;
  }

  private skip(): void {
    if (this.wire === 0) this.int64();
    else if (this.wire === 1) this.eight();
    else if (this.wire === 2) this.delimited();
    else if (this.wire === 5) this.advance(4);
    else throw malformed();
    this.isUnread = false;
  }

  private byte(): number {
    return this.bytes[this.advance(1)] as number;
  }

  private varint(): number {
    let found = 0;
    for (let factor = 1; factor < 2 ** 53; factor *= 128) {
      const byte = this.byte();
      found += (byte & 127) * factor;
      if (byte < 128) return found;
    }
    throw malformed();
  }
}

function malformed(): Error {
  return new Error("the server's answer is not a trace in protobuf");
}
