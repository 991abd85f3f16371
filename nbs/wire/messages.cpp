// SPDX-License-Identifier: Apache-2.0
#include "nbs/wire/messages.hpp"

#include <string>

#include "nbs/wire/control.pb.h"

namespace caisson::nbs::wire {

std::unique_ptr<google::protobuf::Message> make_message(std::string_view name) {
  const auto* found = HelloRequest::descriptor()->file()->FindMessageTypeByName(std::string(name));
  if (found == nullptr) return nullptr;
  const auto* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(found);
  return std::unique_ptr<google::protobuf::Message>(prototype->New());
}

}  // namespace caisson::nbs::wire
