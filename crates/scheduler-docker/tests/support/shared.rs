//! Where the tests find an engine that they share, and what they say when there is none.

/// The engine that the tests share, with the image that they make; or why there is none.
pub(crate) fn engine() -> Result<(String, &'static str), String> {
    let engine = gofer_testkit::docker::engine_for_tests()?;
    let image = gofer_testkit::docker::test_image(&engine)?;
    Ok((engine.url(), image))
}
