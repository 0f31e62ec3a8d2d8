# shellcheck shell=bash
# Which Rust builds the server, and which builds the page.
#
# rustup's toolchain does both once it has the WASM target. Where rustup cannot download, or where there is no rustup,
# Debian's rustc-web and cargo-web can: they live in /usr/bin and build the standard library together with the page.

WASM_TARGET=wasm32-unknown-unknown
DEBIAN_RUST=(rustc-web cargo-web)
DEBIAN_WASM=("${DEBIAN_RUST[@]}" rust-web-src rust-web-llvm lld-22)
RUST_VERSION=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")

# rustup's installer adds this directory to PATH for new shells only.
if ! have cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
fi

# rust-toolchain.toml asks for stable. An installation without it, such as one of a single version, keeps its default: rustup
# would download stable at the next call of cargo, and fail where it cannot.
if have rustup && ! rustup toolchain list 2>/dev/null | grep -q '^stable'; then
    RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-$(rustup default 2>/dev/null | cut -d ' ' -f 1 || true)}
    if [ -n "$RUSTUP_TOOLCHAIN" ]; then export RUSTUP_TOOLCHAIN; else unset RUSTUP_TOOLCHAIN; fi
fi

at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

rust_is_new_enough() {
    have cargo && have rustc && at_least "$RUST_VERSION" "$(rustc --version | cut -d ' ' -f 2)"
}

setup_rust() {
    if rust_is_new_enough; then
        return
    fi
    if have rustup; then
        fail "Rust $RUST_VERSION or newer is needed, here is $(rustc --version 2>&1): run 'rustup update stable'."
    fi
    if have rustc && ! installed rustc-web; then
        fail "Rust $RUST_VERSION or newer is needed, here is $(rustc --version): install it from https://rustup.rs."
    fi
    if apt-cache show rustc-web 2>/dev/null | grep -q "^Version: "; then
        install_packages "${DEBIAN_RUST[@]}"
        hash -r
    fi
    rust_is_new_enough || fail "Rust $RUST_VERSION or newer is needed: install it from https://rustup.rs, then run this again."
}

# Debian has rustfmt and clippy of the same compiler in packages of their own.
setup_rust_lints() {
    if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
        return
    fi
    if installed rustc-web && [ "$(command -v cargo)" = /usr/bin/cargo ]; then
        install_packages rustfmt-web rust-web-clippy
    else
        rustup component add rustfmt clippy || fail "rustfmt and clippy are missing: run 'rustup component add rustfmt clippy'."
    fi
}

# Prints which toolchain can build the page now: installed, debian, or none.
wasm_toolchain() {
    if have rustc && compgen -G "$(rustc --print target-libdir --target $WASM_TARGET 2>/dev/null)/libstd-*.rlib" >/dev/null; then
        echo installed
    elif [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ] && have wasm-ld-22; then
        echo debian
    else
        echo none
    fi
}

setup_wasm_toolchain() {
    [ "$(wasm_toolchain)" = none ] || return 0
    if have rustup; then
        say "adding Rust's WASM target (rustup target add $WASM_TARGET) ..."
        if timeout 120 rustup target add "$WASM_TARGET"; then
            return
        fi
        say "rustup cannot download here: taking Debian's Rust for the page."
    fi
    install_packages "${DEBIAN_WASM[@]}"
    [ "$(wasm_toolchain)" != none ] ||
        fail "no Rust toolchain here can build for $WASM_TARGET: run 'rustup target add $WASM_TARGET' where rustup can download."
}

# with_wasm_toolchain COMMAND...: runs it so that the cargo it finds builds for WASM.
# Debian's cargo must come before rustup's, and the page's own tools before those of the system.
with_wasm_toolchain() {
    case $(wasm_toolchain) in
        installed) env PATH="$PAGE_TOOLS_PATH:$PATH" "$@" ;;
        debian)
            env PATH="$PAGE_TOOLS_PATH:/usr/bin:$PATH" RUSTC_BOOTSTRAP=1 \
                CARGO_UNSTABLE_BUILD_STD=std,panic_abort CARGO_UNSTABLE_BUILD_STD_FEATURES=optimize_for_size "$@"
            ;;
        none) fail "no Rust toolchain here can build for $WASM_TARGET: run scripts/setup." ;;
    esac
}
