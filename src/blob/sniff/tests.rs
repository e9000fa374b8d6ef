use super::sniff;

/// An ISO media file of a brand.
fn brand(brand: [u8; 4]) -> Vec<u8> {
    [b"\0\0\0\x18ftyp", &brand[..], b"\0\0\0\0mp42isom"].concat()
}

fn png(chunks: &[(&[u8; 4], u32)]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1A\n".to_vec();
    for (name, length) in chunks {
        file.extend(length.to_be_bytes());
        file.extend(*name);
        file.extend(vec![0; usize::try_from(*length).unwrap_or(0).min(10_000) + 4]);
    }
    file
}

#[test]
fn pictures() {
    assert_eq!(sniff(&png(&[(b"IHDR", 13), (b"IDAT", 10)])), Some("image/png"));
    assert_eq!(
        sniff(&png(&[(b"IHDR", 13), (b"gAMA", 4), (b"acTL", 8), (b"IDAT", 10)])),
        Some("image/apng")
    );
    assert_eq!(
        sniff(&png(&[(b"IHDR", 13), (b"IDAT", 10), (b"acTL", 8)])),
        Some("image/png")
    );
    assert_eq!(
        sniff(&png(&[(b"IHDR", u32::MAX)])),
        Some("image/png"),
        "a chunk longer than the file"
    );
    assert_eq!(sniff(b"\xFF\xD8\xFF\xE0\0\x10JFIF\0"), Some("image/jpeg"));
    assert_eq!(sniff(b"GIF89a/*\0\0*/=0;alert(1)"), Some("image/gif"), "a polyglot");
    assert_eq!(sniff(b"RIFF\x24\0\0\0WEBPVP8 "), Some("image/webp"));
    assert_eq!(sniff(&brand(*b"avif")), Some("image/avif"));
    assert_eq!(sniff(&brand(*b"heic")), Some("image/heic"));
    assert_eq!(sniff(b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0"), Some("image/bmp"));
    assert_eq!(sniff(b"\0\0\x01\0\x01\0\x10\x10"), Some("image/x-icon"));
    assert_eq!(sniff(b"II*\0\x08\0\0\0"), Some("image/tiff"));
}

#[test]
fn films_and_sound() {
    assert_eq!(sniff(&brand(*b"isom")), Some("video/mp4"));
    assert_eq!(sniff(&brand(*b"qt  ")), Some("video/quicktime"));
    assert_eq!(sniff(&brand(*b"3gp5")), Some("video/3gpp"));
    assert_eq!(sniff(&brand(*b"M4A ")), Some("audio/x-m4a"));
    assert_eq!(
        sniff(b"\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm\x42\x87"),
        Some("video/webm")
    );
    assert_eq!(
        sniff(b"\x1A\x45\xDF\xA3\xA3\x42\x86\x81\x01\x42\x82\x88matroska"),
        Some("video/matroska")
    );
    assert_eq!(sniff(b"RIFF\x24\0\0\0WAVEfmt "), Some("audio/wav"));
    assert_eq!(
        sniff(b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead"),
        Some("audio/ogg; codecs=opus")
    );
    assert_eq!(sniff(b"ID3\x04\0\0\0\0\0\0\0\0"), Some("audio/mpeg"));
    assert_eq!(sniff(b"\xFF\xFB\x90\x64\0\0"), Some("audio/mpeg"));
    assert_eq!(sniff(b"\xFF\xF1\x50\x80\0\0"), Some("audio/aac"));
    let packets: Vec<u8> = std::iter::once(b'G').chain([0; 187]).cycle().take(3 * 188).collect();
    assert_eq!(sniff(&packets), Some("video/mp2t"));
}

#[test]
fn programs_and_packages_are_no_pictures() {
    for (head, expected) in [
        (&b"MZ\x90\0\x03\0\0\0"[..], "application/x-msdownload"),
        (b"\xCF\xFA\xED\xFE\x07\0\0\x01", "application/x-mach-binary"),
        (b"!<arch>\ndebian-binary   ", "application/x-deb"),
        (b"!<arch>\n/               ", "application/x-unix-archive"),
        (b"%!PS-Adobe-3.0\n", "application/postscript"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "application/eps"),
        (b"\0\0\0\x0CjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "image/jp2"),
        (b"\xEF\xBB\xBFWEBVTT\n", "text/vtt"),
        (b"\xEF\xBB\xBF<?xml version='1.0'?>", "application/xml"),
    ] {
        assert_eq!(sniff(head), Some(expected), "{head:?}");
    }
}

#[test]
fn what_only_its_sender_can_name() {
    for text in [
        "",
        "B",
        "BM is not a picture",
        "Good morning",
        "<!DOCTYPE html><script>alert(1)</script>",
        "<svg xmlns=\"\"/>",
        "{\"a\": 1}",
        "alert(1)",
        "PK\u{3}\u{4}",
        "RIFF",
        "RIFF\0\0\0\0ABCD",
        "ftyp",
        "ID3",
        "\u{feff}text",
    ] {
        assert_eq!(sniff(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(sniff(b"\xFF\xFEt\0e\0x\0t\0"), None, "UTF-16");
    assert_eq!(sniff(&brand(*b"\0\0\0\0")), None);
}

#[test]
fn any_bytes_at_all() {
    for length in 0..40 {
        for byte in 0..=u8::MAX {
            sniff(&vec![byte; length]);
        }
    }
}
