export class Suspects {
  readonly size: number = 0
  failed(_piece: number, _senders: ArrayLike<number>, _bytes: (block: number) => Uint8Array): Array<number> {
    return []
  }
  passed(_piece: number, _senders: ArrayLike<number>, _bytes: (block: number) => Uint8Array): Array<number> {
    return []
  }
  isSuspect(_peer: number): boolean {
    return false
  }
}
