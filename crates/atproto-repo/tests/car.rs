//! CARs written and read.
#![expect(clippy::unwrap_used, reason = "tests")]

use atproto_data::Cid;
use atproto_repo::car::{
    CarError, CarReader, MAX_BLOCK_BYTES, MAX_HEADER_BYTES, Section, block_frame_length, split_section, write_block,
    write_header,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn archive_header(roots: &[Cid]) -> Vec<u8> {
    let mut car = Vec::new();
    write_header(&mut car, roots.first());
    car
}

fn archive(blocks: &[Vec<u8>]) -> Vec<u8> {
    let roots: Vec<Cid> = blocks
        .first()
        .map(|block| Cid::of_dag_cbor(block))
        .into_iter()
        .collect();
    let mut car = archive_header(&roots);
    for block in blocks {
        write_block(&mut car, &Cid::of_dag_cbor(block), block);
    }
    car
}

fn read(car: &[u8]) -> Result<Vec<Vec<u8>>, CarError> {
    CarReader::new(car)?
        .map(|block| block.map(|block| block.bytes.to_vec()))
        .collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(blocks in vec(vec(any::<u8>(), 0..300), 0..10)) {
        let car = archive(&blocks);
        prop_assert_eq!(read(&car), Ok(blocks.clone()));
        let roots: Vec<Cid> = blocks.first().map(|block| Cid::of_dag_cbor(block)).into_iter().collect();
        let reader = CarReader::new(&car).unwrap();
        prop_assert_eq!(reader.roots(), roots.as_slice());
        let header = archive_header(&roots).len();
        let frames: usize = blocks.iter().map(|block| block_frame_length(block.len())).sum();
        prop_assert_eq!(header + frames, car.len());
    }

    #[test]
    fn a_cut_car_is_never_complete(blocks in vec(vec(any::<u8>(), 1..50), 1..5), at in any::<prop::sample::Index>()) {
        let car = archive(&blocks);
        let cut = at.index(car.len());
        match read(&car[..cut]) {
            Ok(read) => prop_assert!(read.len() < blocks.len() && blocks.starts_with(&read)),
            Err(error) => prop_assert_eq!(error, CarError::Truncated),
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(block in vec(any::<u8>(), 1..50), at in any::<prop::sample::Index>(), bit in 0..8) {
        let car = archive(&[]);
        let mut frame = Vec::new();
        write_block(&mut frame, &Cid::of_raw(&block), &block);
        let position = at.index(frame.len());
        frame[position] ^= 1_u8 << bit;
        let read = CarReader::new(&[car, frame].concat()).unwrap().next().unwrap().map(|block| block.cid.codec());
        // The codec is the one thing in a frame that the hash does not cover; it takes two flips to make it another.
        prop_assert!(read.is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), behind_header in any::<bool>()) {
        let start = if behind_header { archive(&[]) } else { Vec::new() };
        let car = [start, bytes].concat();
        let blocks = CarReader::new(&car).map_or(0, Iterator::count);
        prop_assert!(blocks <= car.len());
    }
}

#[test]
fn limits_and_rules_are_named() {
    let header = archive(&[]);
    let with = |bytes: &[u8]| read(&[&header, bytes].concat()).unwrap_err();
    let mut too_long = Vec::new();
    write_block(&mut too_long, &Cid::of_raw(b""), &vec![0; MAX_BLOCK_BYTES + 1]);
    assert_eq!(with(&too_long[..10]), CarError::BlockTooLong);
    assert_eq!(with(&[0x80, 0x00]), CarError::Varint);
    assert_eq!(with(&[0xff; 9]), CarError::Varint);
    assert_eq!(with(&[0xff; 3]), CarError::Truncated);
    assert_eq!(with(&[0x00]), CarError::Cid);
    assert_eq!(with(&[0x01, 0x00]), CarError::Cid);
    assert_eq!(
        read(&[0x81, 0x08]),
        Err(CarError::HeaderTooLong),
        "1,025 is more than {MAX_HEADER_BYTES}"
    );
    assert_eq!(read(&[]), Err(CarError::Truncated));
    assert_eq!(read(&[0x01, 0xa0]), Err(CarError::Header));
    let mut version_2 = header.clone();
    *version_2.last_mut().unwrap() = 2;
    assert_eq!(read(&version_2), Err(CarError::Header));
}

#[test]
fn after_an_error_nothing_follows() {
    let mut car = archive(&[b"one".to_vec()]);
    let good = car.clone();
    car.extend_from_slice(&[0x01, 0x00]);
    car.extend_from_slice(&good);
    let read: Vec<bool> = CarReader::new(&car).unwrap().map(|block| block.is_ok()).collect();
    assert_eq!(read, [true, false]);
}

#[test]
fn a_car_can_be_split_as_it_arrives() {
    let car = archive(&[b"one".to_vec(), b"two".to_vec()]);
    let mut sections = 0;
    let mut held: Vec<u8> = Vec::new();
    for byte in &car {
        held.push(*byte);
        if let Section::Complete { rest, .. } = split_section(&held, 1_000, CarError::BlockTooLong).unwrap() {
            assert!(rest.is_empty());
            held.clear();
            sections += 1;
        }
    }
    assert_eq!((sections, held.len()), (3, 0));
}
