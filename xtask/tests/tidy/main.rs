//! Rules of this project that neither the compiler nor clippy knows. Each names the file and says what to do.

mod decisions;
mod dependencies;
mod edges;
mod pages;
mod shape;
mod source;

/// Fails with all complaints at once.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
