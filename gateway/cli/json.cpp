// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/json.hpp"

#include <boost/json.hpp>

#include "nbs/wire/status.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::cli {
namespace json = boost::json;
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

json::object object_of(const Message& message);

json::value value_of(const Message& message, const FieldDescriptor* field) {
  const auto& reflection = *message.GetReflection();
  if (field->has_presence() && !reflection.HasField(message, field)) return nullptr;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return json::string(reflection.GetString(message, field));
    case FieldDescriptor::CPPTYPE_BOOL: return reflection.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_UINT32: return reflection.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT64: return reflection.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_INT64: return reflection.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_MESSAGE: return object_of(reflection.GetMessage(message, field));
    default: return nullptr;
  }
}

json::array list_of(const Message& message, const FieldDescriptor* field) {
  const auto& reflection = *message.GetReflection();
  json::array list;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i)
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      list.push_back(object_of(reflection.GetRepeatedMessage(message, field, i)));
    else
      list.push_back(json::string(reflection.GetRepeatedString(message, field, i)));
  return list;
}

json::object object_of(const Message& message) {
  json::object object;
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (field->is_repeated())
      object[field->name()] = list_of(message, field);
    else
      object[field->name()] = value_of(message, field);
  }
  return object;
}

}  // namespace

std::string to_json(const Message& message) { return json::serialize(object_of(message)); }

std::string to_json(const Failure& failure) {
  json::object error{{"code", std::string(nbs::wire::name_of(to_errc(failure.code)))},
                     {"message", failure.message},
                     {"remedy", failure.remedy}};
  return json::serialize(json::object{{"error", std::move(error)}});
}

}  // namespace caisson::cli
