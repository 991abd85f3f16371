// SPDX-License-Identifier: Apache-2.0
#include "gateway/service/audit.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <array>
#include <memory>

#include "nbs/wire/control.pb.h"

namespace caisson::service {
namespace {

using google::protobuf::FieldDescriptor;

/// The fields of request messages that name things, in the order they are told.
constexpr std::array<const char*, 8> kNaming = {"luns", "name", "lun", "snapshot",
                                                "host", "id",   "to",  "file"};

std::unique_ptr<google::protobuf::Message> make(std::string_view message) {
  auto full = "caisson.nbs.wire." + std::string(message);
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(full);
  if (type == nullptr) return nullptr;
  const auto* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  return std::unique_ptr<google::protobuf::Message>(prototype->New());
}

std::string value_of(const google::protobuf::Message& message, const FieldDescriptor* field) {
  if (field == nullptr) return {};
  const auto* reflection = message.GetReflection();
  if (field->is_repeated()) {
    std::string joined;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      joined += (i == 0 ? "" : ",") + reflection->GetRepeatedString(message, field, i);
    return joined;
  }
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
    return reflection->GetString(message, field);
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64)
    return std::to_string(reflection->GetUInt64(message, field));
  return {};
}

}  // namespace

AuditSubject audit_subject(const nbs::wire::Opcode& opcode, const std::string& request) {
  // A message of no known type still counts as read: the descriptor is linked in.
  nbs::wire::Empty::descriptor();
  auto message = make(opcode.request);
  AuditSubject subject;
  if (message == nullptr || !message->ParseFromString(request)) return subject;
  const auto* type = message->GetDescriptor();
  for (const auto* name : kNaming) {
    auto value = value_of(*message, type->FindFieldByName(name));
    if (!value.empty()) subject.object += (subject.object.empty() ? "" : " ") + value;
  }
  const auto* dry_run = type->FindFieldByName("dry_run");
  subject.dry_run = dry_run != nullptr && message->GetReflection()->GetBool(*message, dry_run);
  return subject;
}

}  // namespace caisson::service
