//! Shows the constants that the build script has written.

mod agent {
    include!(concat!(env!("OUT_DIR"), "/agent.rs"));
}

fn main() {
    println!("{} ({})", agent::NAME, agent::ID);
}
