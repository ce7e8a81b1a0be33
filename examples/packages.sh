# Sourced by quickstart.sh and tests/run.sh: Debian packages, installed only where they are missing.

packages_build="gcc libc6-dev cmake ninja-build pkg-config
    libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
    ocl-icd-opencl-dev opencl-c-headers pocl-opencl-icd
    libsqlite3-dev libuv1-dev libjansson-dev libxxhash-dev libseccomp-dev linux-libc-dev
    libprotobuf-c-dev protobuf-c-compiler libonnx-dev"

install_packages() {   # install_packages NAME...
    local missing=() name as_root=()
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        echo "== packages: nothing to install"
        return 0
    fi
    echo "== packages: installing ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Installing needs root: run this as root once, or: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    ${as_root[@]+"${as_root[@]}"} apt-get -q update
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends "${missing[@]}"
}
