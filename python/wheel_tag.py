"""The tag of the wheel: every Python from 3.10 on, and the system and processor that the extension was built for: those of this computer, or
those that EDGEZEN_WHEEL_PLATFORM names (manylinux_2_28_aarch64)."""

import os
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelTag(BuildHookInterface):
    def initialize(self, version, build_data):
        here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp310-abi3-{os.environ.get('EDGEZEN_WHEEL_PLATFORM', here)}"
