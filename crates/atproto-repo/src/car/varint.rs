//! Unsigned varints (multiformats "unsigned-varint"): 7 bits a byte, the lowest first, at most 9 bytes, none of them needless.

/// The most bytes of a varint.
const MAX_VARINT_BYTES: usize = 9;

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Varint {
    /// A number, and how many bytes it takes.
    Complete { number: u64, length: usize },
    /// The bytes end within a varint.
    Incomplete,
    /// More than 9 bytes, or not the shortest form.
    Invalid,
}

/// Reads a varint.
pub(super) fn read(bytes: &[u8]) -> Varint {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(MAX_VARINT_BYTES).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let needless = *byte == 0 && index > 0;
            return if needless {
                Varint::Invalid
            } else {
                Varint::Complete {
                    number,
                    length: index + 1,
                }
            };
        }
    }
    if bytes.len() < MAX_VARINT_BYTES {
        Varint::Incomplete
    } else {
        Varint::Invalid
    }
}

/// Writes a varint to the end of `out`.
pub(super) fn write(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

/// How many bytes a varint takes.
pub(super) fn length(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

fn low_bits(number: usize) -> u8 {
    number.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, 2_000_000, u32::MAX as usize] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            assert_eq!(bytes.len(), length(number));
            assert_eq!(
                read(&bytes),
                Varint::Complete {
                    number: number as u64,
                    length: bytes.len()
                }
            );
            assert_eq!(read(&bytes[..bytes.len() - 1]), Varint::Incomplete);
        }
    }

    #[test]
    fn only_the_shortest_form_is_read() {
        assert_eq!(read(&[0x80, 0x00]), Varint::Invalid);
        assert_eq!(read(&[0xff; 9]), Varint::Invalid);
        assert_eq!(read(&[0xff; 8]), Varint::Incomplete);
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(
            read(&most),
            Varint::Complete {
                number: (1 << 63) - 1,
                length: 9
            }
        );
    }
}
