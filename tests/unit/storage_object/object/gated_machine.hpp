// SPDX-License-Identifier: Apache-2.0
// A machine with one LUN whose disk hangs when a test says so.
#pragma once

#include "tests/support/gate_device.hpp"
#include "tests/unit/storage_object/object/machine.hpp"

namespace caisson::tests {

struct GatedMachine {
  SimStore disk{SimOptions{}};
  GateDevice* gate = nullptr;  ///< of the LUN made last
  Machine machine{disk, nullptr, [this](object::RegistryOptions& options) {
                    options.decorate = [this](std::unique_ptr<block::BlockDevice> below,
                                              const catalog::LunRecord&) {
                      auto gated = std::make_unique<GateDevice>(std::move(below));
                      gate = gated.get();
                      return gated;
                    };
                    options.pause_limit = std::chrono::milliseconds(100);
                  }};
};

}  // namespace caisson::tests
