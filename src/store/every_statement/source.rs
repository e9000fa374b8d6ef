//! The source as tokens, without its tests, and the texts that stand in it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A token; brackets are signs too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Sign(char),
}

/// A file's path below `src/` and its tokens.
pub(super) struct File {
    pub(super) path: String,
    pub(super) tokens: Vec<Token>,
}

/// All files but those that only tests have.
pub(super) fn files() -> Vec<File> {
    let mut files = Vec::new();
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    collect(root, root, &mut files);
    files
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if [
            "tests",
            "testing",
            "tests.rs",
            "testing.rs",
            "every_statement",
            "every_statement.rs",
        ]
        .contains(&name)
        {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut tokens = Vec::new();
            flatten(fs::read_to_string(&path).unwrap().parse().unwrap(), &mut tokens);
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push(File { path, tokens });
        }
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(sign) if sign.as_char() == '#' => {
                // Attributes hold no SQL, and what is for tests alone is passed over.
                let attribute = trees.find(|tree| matches!(tree, TokenTree::Group(_)));
                if attribute.is_some_and(|attribute| attribute.to_string().replace(' ', "") == "[cfg(test)]") {
                    trees.find(ends_item);
                }
            }
            TokenTree::Punct(sign) => tokens.push(Token::Sign(sign.as_char())),
            TokenTree::Ident(name) => tokens.push(Token::Name(name.to_string())),
            TokenTree::Literal(literal) => tokens.push(literal_token(&literal.to_string())),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::Brace | Delimiter::None => ('{', '}'),
                };
                tokens.push(Token::Sign(open));
                flatten(group.stream(), tokens);
                tokens.push(Token::Sign(close));
            }
        }
    }
}

fn ends_item(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Punct(sign) => sign.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    }
}

fn literal_token(literal: &str) -> Token {
    let inside = |literal: &str| literal.strip_prefix('"')?.strip_suffix('"').map(str::to_owned);
    match inside(literal) {
        Some(text) => Token::Text(unescape(&text)),
        None => Token::Name(literal.to_owned()),
    }
}

/// What a string literal means, as far as SQL needs it.
fn unescape(text: &str) -> String {
    let mut unescaped = String::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match (next, rest.peek()) {
            ('\\', Some('\n')) => while rest.next_if(|white| white.is_whitespace()).is_some() {},
            ('\\', _) => unescaped.extend(rest.next()),
            _ => unescaped.push(next),
        }
    }
    unescaped
}

/// Where constants and macros of texts are defined, by name: their files and places.
pub(super) struct Texts<'f> {
    files: &'f [File],
    definitions: HashMap<&'f str, Vec<(usize, usize)>>,
}

impl<'f> Texts<'f> {
    pub(super) fn of(files: &'f [File]) -> Texts<'f> {
        let mut definitions: HashMap<&str, Vec<_>> = HashMap::new();
        for (file, File { tokens, .. }) in files.iter().enumerate() {
            for at in 0..tokens.len() {
                if let Some((name, value)) = definition(tokens, at) {
                    definitions.entry(name).or_default().push((file, value));
                }
            }
        }
        Texts { files, definitions }
    }

    /// The text that the expression at a place is, and the place after it.
    pub(super) fn read(&self, file: usize, at: usize) -> Option<(String, usize)> {
        let tokens = &self.files[file].tokens;
        match &tokens[at..] {
            [Token::Text(text), ..] => Some((text.clone(), at + 1)),
            [Token::Name(_), Token::Sign(':'), Token::Sign(':'), ..] => self.read(file, at + 3),
            [Token::Name(name), Token::Sign('!'), Token::Sign('('), ..] => match name.as_str() {
                "concat" => self.concatenation(file, at + 3),
                "format" => self.filled_in(file, at + 3),
                _ => Some((self.defined(file, name)?, at + 4)),
            },
            [Token::Name(name), ..] if !name.contains(char::is_lowercase) => Some((self.defined(file, name)?, at + 1)),
            _ => None,
        }
    }

    fn concatenation(&self, file: usize, mut at: usize) -> Option<(String, usize)> {
        let mut whole = String::new();
        while self.files[file].tokens[at] != Token::Sign(')') {
            let (part, after) = self.read(file, at)?;
            whole.push_str(&part);
            at = after + usize::from(self.files[file].tokens[after] == Token::Sign(','));
        }
        Some((whole, at + 1))
    }

    /// A `format!` of constants and, as `{}`, of lists of parameters: one stands for them.
    fn filled_in(&self, file: usize, at: usize) -> Option<(String, usize)> {
        let (pattern, after) = self.read(file, at)?;
        let mut pieces = pattern.split('{');
        let mut whole = pieces.next()?.to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}')?;
            let filling = match name {
                "" => format!("${}", whole.matches('$').count() + 1),
                _ => self.defined(file, name)?,
            };
            whole.push_str(&filling);
            whole.push_str(rest);
        }
        Some((whole, after + 1))
    }

    /// A constant of the same file, else of the one other module that this file names.
    fn defined(&self, file: usize, name: &str) -> Option<String> {
        let places = self.definitions.get(name)?;
        let here = places.iter().find(|(other, _)| *other == file);
        let mut named = places.iter().filter(|(other, _)| self.names_module(file, *other));
        let elsewhere = named.next().filter(|_| named.next().is_none());
        let (file, at) = here.or(elsewhere)?;
        Some(self.read(*file, *at)?.0)
    }

    fn names_module(&self, file: usize, other: usize) -> bool {
        let module = Path::new(&self.files[other].path)
            .file_stem()
            .and_then(|stem| stem.to_str());
        let is_module = |token: &Token| matches!(token, Token::Name(name) if Some(name.as_str()) == module);
        self.files[file].tokens.iter().any(is_module)
    }
}

/// The name and the place of the value of `const NAME: &str = …` and `macro_rules! name { () => { … } }`.
fn definition(tokens: &[Token], at: usize) -> Option<(&str, usize)> {
    let Token::Name(word) = &tokens[at] else { return None };
    match (word.as_str(), tokens.get(at + 1)?, tokens.get(at + 2)?) {
        ("const", Token::Name(name), Token::Sign(':')) if tokens.get(at + 3)? == &Token::Sign('&') => Some((
            name,
            at + 4 + tokens[at + 4..].iter().position(|token| *token == Token::Sign('='))? + 1,
        )),
        ("macro_rules", Token::Sign('!'), Token::Name(name)) => Some((
            name,
            at + tokens[at..].iter().position(|token| matches!(token, Token::Text(_)))?,
        )),
        _ => None,
    }
}
