# shellcheck shell=bash
# Sourced by tests/run and .ci/run.

# install_packages <package>...: by apt-get, without questions; with sudo where it is needed.
install_packages() {
    local as_root=()
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            printf 'cannot install %s: neither root nor sudo\n' "$*" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@"
}
