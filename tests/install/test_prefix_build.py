"""The build takes every library from a prefix when it is given one, HDF5 too, and what it links finds them there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("RUNNER_SOURCE", os.getcwd())
PACKAGES = ["libhdf5-dev", "libhdf5-103-1", "libhdf5-hl-100", "libgsl-dev", "libgsl27", "libgslcblas0", "libhwloc-dev", "libhwloc15",
            "libjansson-dev", "libjansson4", "librandom123-dev", "libssl-dev", "libssl3", "libyaml-dev", "libyaml-0-2", "libaec0", "libsz2"]
FROM_PREFIX = ["PREFIX_HDF5_INCLUDE", "PREFIX_HDF5", "PREFIX_HDF5_HL", "RANDOM123_INCLUDE", "pkgcfg_lib_YAML_yaml",
               "pkgcfg_lib_CRYPTO_crypto", "pkgcfg_lib_JANSSON_jansson", "pkgcfg_lib_GSL_gsl"]


def fill(prefix):
    """Copies the packages' headers, libraries and pkg-config files; False where one is not installed."""
    for package in PACKAGES:
        listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True)
        if listing.returncode != 0:
            print(f"{package} is not installed, so a prefix cannot be made of it")
            return False
        for path in listing.stdout.splitlines():
            path = "/usr" + path if path.startswith("/lib/") else path
            if not re.match(r"/usr/(include|lib)/", path) or (os.path.isdir(path) and not os.path.islink(path)):
                continue
            copy = prefix + path[len("/usr"):]
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(path, copy, follow_symlinks=os.path.isabs(os.readlink(path)) if os.path.islink(path) else True)
            if copy.endswith(".pc"):
                with open(copy) as file:
                    text = file.read()
                with open(copy, "w") as file:
                    file.write(text.replace("/usr", prefix))
    return True


def main():
    if not shutil.which("dpkg") or not shutil.which("ninja"):
        print("dpkg or ninja is not here")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        prefix, build = os.path.join(folder, "prefix"), os.path.join(folder, "build")
        if not fill(prefix):
            return 77
        subprocess.run(["cmake", "-S", SOURCE, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_PREFIX_PATH={prefix}"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(build, "CMakeCache.txt")) as file:
            cache = dict(re.findall(r"^([\w-]+):\w+=(.*)$", file.read(), re.M))
        strays = {name: cache.get(name) for name in FROM_PREFIX if not cache.get(name, "").startswith(prefix)}
        assert not strays, f"not from the prefix: {strays}"
        subprocess.run(["cmake", "--build", build, "-j", "2", "--target", "store_driver"], check=True, stdout=subprocess.DEVNULL)
        program = os.path.join(build, "tests", "store_driver")
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for library in ("libhdf5_serial.so", "libhdf5_serial_hl.so", "libcrypto.so"):
            assert re.search(rf"{library}\S* => {prefix}", linked), linked
    return 0


sys.exit(main())
