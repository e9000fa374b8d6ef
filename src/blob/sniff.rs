//! What a blob's first bytes say it is: pictures, sound, films, fonts, archives and documents, by the names that the reference gives them.

/// So many bytes from the start of a blob are looked at.
pub(super) const HEAD_BYTES: usize = 4_096;

/// Bytes at an offset and what they mean. The first that fits counts.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\xFF\xD8\xFF\xF7", "image/jls"),
    (0, b"\xFF\xD8\xFF", "image/jpeg"),
    (0, b"GIF", "image/gif"),
    (0, b"II\xBC", "image/vnd.ms-photo"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"FLIF", "image/flif"),
    (0, b"BPG\xFB", "image/bpg"),
    (0, b"icns", "image/icns"),
    (0, b"\xFF\x0A", "image/jxl"),
    (0, b"\0\0\0\x0CJXL \r\n\x87\n", "image/jxl"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"gimp xcf ", "image/x-xcf"),
    (0, b"FUJIFILMCCD-RAW", "image/x-fujifilm-raf"),
    (0, b"\xABKTX 11\xBB\r\n\x1A\n", "image/ktx"),
    (0, b"fLaC", "audio/flac"),
    (0, b"MThd", "audio/midi"),
    (0, b"FORM\0", "audio/aiff"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"caff", "audio/x-caf"),
    (0, b"wvpk", "audio/wavpack"),
    (0, b"MPCK", "audio/x-musepack"),
    (0, b"DSD ", "audio/x-dsf"),
    (0, b"Extended Module:", "audio/x-xm"),
    (0, b"Creative Voice File", "audio/x-voc"),
    (0, b"MAC ", "audio/ape"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9", "application/vnd.ms-asf"),
    (4, b"free", "video/quicktime"),
    (4, b"mdat", "video/quicktime"),
    (4, b"moov", "video/quicktime"),
    (4, b"wide", "video/quicktime"),
    (0, b"WEBVTT\n", "text/vtt"),
    (0, b"WEBVTT\r", "text/vtt"),
    (0, b"WEBVTT ", "text/vtt"),
    (0, b"WEBVTT\t", "text/vtt"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO\0", "font/otf"),
    (0, b"ttcf", "font/collection"),
    (0, b"%PDF", "application/pdf"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS-Adobe-3.0 EPSF-", "application/eps"),
    (0, b"%!PS", "application/postscript"),
    (0, b"<?xml ", "application/xml"),
    (0, b"\0asm", "application/wasm"),
    (0, b"glTF\x02\0\0\0", "model/gltf-binary"),
    (0, b"SQLi", "application/x-sqlite3"),
    (0, b"\x1F\x8B\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xFD7zXZ\0", "application/x-xz"),
    (0, b"7z\xBC\xAF\x27\x1C", "application/x-7z-compressed"),
    (0, b"Rar!\x1A\x07", "application/x-rar-compressed"),
    (0, b"\x28\xB5\x2F\xFD", "application/zstd"),
    (0, b"\x04\x22\x4D\x18", "application/x-lz4"),
    (0, b"!<arch>\ndebian-binary", "application/x-deb"),
    (0, b"!<arch>\n", "application/x-unix-archive"),
    (0, b"\xED\xAB\xEE\xDB", "application/x-rpm"),
    (0, b"\x7FELF", "application/x-elf"),
    (0, b"\xCF\xFA\xED\xFE", "application/x-mach-binary"),
    (0, b"MZ\x90\0", "application/x-msdownload"),
    (0, b"MSCF", "application/vnd.ms-cab-compressed"),
    (0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "application/x-cfb"),
    (257, b"ustar\0", "application/x-tar"),
    (257, b"ustar ", "application/x-tar"),
    (128, b"DICM", "application/dicom"),
];

/// Signatures so short that other things may look like them: asked last.
const WEAK_SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\0\0\x01\xBA", "video/mpeg"),
    (0, b"\0\0\x01\xB3", "video/mpeg"),
    (0, b"\0\x01\0\0\0", "font/ttf"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"\0\0\x02\0", "image/x-icon"),
];

/// The media type that the first bytes of a blob show, if they show one. HTML, SVG, JSON, text and archives in ZIP clothes (documents,
/// books, packages) are not recognised: what the client says of them counts.
pub(super) fn sniff(head: &[u8]) -> Option<&'static str> {
    // Texts of some systems begin with a byte order mark.
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    png(head)
        .or_else(|| jpeg_2000(head))
        .or_else(|| riff(head))
        .or_else(|| iso_media(head))
        .or_else(|| ogg(head))
        .or_else(|| matroska(head))
        .or_else(|| find(SIGNATURES, head))
        .or_else(|| bitmap(head))
        .or_else(|| transport_stream(head))
        .or_else(|| find(WEAK_SIGNATURES, head))
        .or_else(|| mpeg_audio(head))
}

fn find(signatures: &[(usize, &[u8], &'static str)], head: &[u8]) -> Option<&'static str> {
    let fits = |(offset, bytes, _): &&(usize, &[u8], &str)| at(head, *offset, bytes);
    signatures.iter().find(fits).map(|(_, _, name)| *name)
}

fn at(head: &[u8], offset: usize, bytes: &[u8]) -> bool {
    head.get(offset..).is_some_and(|rest| rest.starts_with(bytes))
}

/// PNG, animated if a chunk `acTL` comes before the pixels.
fn png(head: &[u8]) -> Option<&'static str> {
    let mut rest = head.strip_prefix(b"\x89PNG\r\n\x1A\n")?;
    while let Some((chunk, _)) = rest.split_first_chunk::<8>() {
        match &chunk[4..] {
            b"acTL" => return Some("image/apng"),
            b"IDAT" => break,
            _ => {}
        }
        let length = u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        // Length, name, content, checksum.
        let Some(next) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(length.checked_add(12)?..))
        else {
            break;
        };
        rest = next;
    }
    Some("image/png")
}

/// JPEG 2000, by the brand that follows its signature (ISO/IEC 15444-1 annex I).
fn jpeg_2000(head: &[u8]) -> Option<&'static str> {
    head.strip_prefix(b"\0\0\0\x0CjP  \r\n\x87\n")?;
    match head.get(20..24)? {
        b"jp2 " => Some("image/jp2"),
        b"jpx " => Some("image/jpx"),
        b"jpm " => Some("image/jpm"),
        b"mjp2" => Some("image/mj2"),
        _ => None,
    }
}

fn riff(head: &[u8]) -> Option<&'static str> {
    head.strip_prefix(b"RIFF")?;
    match head.get(8..12)? {
        b"WEBP" => Some("image/webp"),
        b"WAVE" => Some("audio/wav"),
        b"AVI " => Some("video/vnd.avi"),
        _ => None,
    }
}

/// The ISO base media file format, by its main brand (ISO/IEC 14496-12 §4.3).
fn iso_media(head: &[u8]) -> Option<&'static str> {
    if !at(head, 4, b"ftyp") {
        return None;
    }
    let brand = head.get(8..12).filter(|brand| brand[0] & 0x60 != 0)?;
    Some(match brand {
        b"avif" | b"avis" => "image/avif",
        b"mif1" => "image/heif",
        b"msf1" => "image/heif-sequence",
        b"heic" | b"heix" => "image/heic",
        b"hevc" | b"hevx" => "image/heic-sequence",
        b"qt  " => "video/quicktime",
        b"M4V " | b"M4VH" | b"M4VP" => "video/x-m4v",
        b"M4A " => "audio/x-m4a",
        b"M4B " | b"F4A " | b"F4B " => "audio/mp4",
        b"crx " => "image/x-canon-cr3",
        _ if brand.starts_with(b"3g2") => "video/3gpp2",
        _ if brand.starts_with(b"3g") => "video/3gpp",
        _ => "video/mp4",
    })
}

/// Ogg, by the codec of its first stream.
fn ogg(head: &[u8]) -> Option<&'static str> {
    head.strip_prefix(b"OggS")?;
    let codec = head.get(28..).unwrap_or_default();
    Some(match codec {
        _ if codec.starts_with(b"OpusHead") => "audio/ogg; codecs=opus",
        _ if codec.starts_with(b"\x80theora") || codec.starts_with(b"\x01video\0") => "video/ogg",
        _ if [&b"\x7FFLAC"[..], b"Speex  ", b"\x01vorbis"]
            .iter()
            .any(|name| codec.starts_with(name)) =>
        {
            "audio/ogg"
        }
        _ => "application/ogg",
    })
}

/// EBML, by the document type that its header names (RFC 8794 §11.2.8).
fn matroska(head: &[u8]) -> Option<&'static str> {
    const LOOK_AT: usize = 64;
    let header = head.strip_prefix(b"\x1A\x45\xDF\xA3")?;
    let header = &header[..header.len().min(LOOK_AT)];
    let names = |name: &[u8]| {
        let element = [b"\x42\x82", &[0x80 | u8::try_from(name.len()).unwrap_or(0)][..], name].concat();
        header.windows(element.len()).any(|window| window == element)
    };
    if names(b"webm") {
        Some("video/webm")
    } else if names(b"matroska") {
        Some("video/matroska")
    } else {
        None
    }
}

/// A BMP, whose reserved bytes are zero: a text may begin with `BM` too.
fn bitmap(head: &[u8]) -> Option<&'static str> {
    (at(head, 0, b"BM") && at(head, 6, &[0; 4])).then_some("image/bmp")
}

/// MPEG-2 transport streams: packets of 188 bytes, perhaps with 4 more before each.
fn transport_stream(head: &[u8]) -> Option<&'static str> {
    let packets = |offset: usize, length: usize| (0..3).all(|packet| at(head, offset + packet * length, b"G"));
    (packets(0, 188) || packets(4, 192)).then_some("video/mp2t")
}

/// MP3 after an ID3 tag, else a frame of MPEG audio or AAC at the very start.
fn mpeg_audio(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"ID3") && head.len() >= 10 {
        return Some("audio/mpeg");
    }
    let &[sync, kind, rates, ..] = head else { return None };
    if sync != 0xFF || kind & 0xE0 != 0xE0 || kind == 0xFE {
        return None;
    }
    let (version, layer) = (kind >> 3 & 0b11, kind >> 1 & 0b11);
    match layer {
        0 if version & 0b10 != 0 => Some("audio/aac"),
        // A reserved version, bit rate or sampling rate.
        _ if version == 0b01 || rates >> 4 == 0xF || rates >> 2 & 0b11 == 0b11 => None,
        1..=3 => Some("audio/mpeg"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
