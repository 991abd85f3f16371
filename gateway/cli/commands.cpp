// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "gateway/cli/command.hpp"
#include "gateway/cli/snapshot_commands.hpp"

namespace caisson::cli {
namespace {

using nbs::wire::Op;

constexpr std::string_view kCaches = "writeback|none|writethrough";
constexpr std::string_view kBlockSizes = "512e|512n|4096";

// clang-format off
constexpr Argument kName[] = {
    {"NAME", "name", Kind::text, "its name", true},
};
constexpr Argument kStoreAdd[] = {
    {"NAME", "name", Kind::text, "name of the new store", true},
    {"DIRECTORY", "location", Kind::path, "where its containers live", true},
    {"--import", "import_allowed", Kind::flag, "`lun import` may read raw images below it"},
};
constexpr Argument kLunCreate[] = {
    {"NAME", "name", Kind::text, "name of the new LUN", true},
    {"--size", "size", Kind::size, "capacity, such as 10G", true},
    {"--store", "store", Kind::text, "store that holds the container"},
    {"--block-size", "block_size", Kind::text, "logical and physical block", false, kBlockSizes},
    {"--cache", "cache", Kind::text, "cache mode", false, kCaches},
    {"--thick", "thick", Kind::flag, "allocate all space now"},
    {"--removable", "removable", Kind::flag, "say that the medium is removable"},
    {"--location", "location", Kind::text, "free text: where the disk is"},
    {"--target", "target_name", Kind::text, "target to share, instead of one of its own"},
    {"--target-lun", "target_lun", Kind::number, "LUN number below that target"},
};
constexpr Argument kLunList[] = {
    {"--store", "store", Kind::text, "only those of this store"},
};
constexpr Argument kLunSet[] = {
    {"NAME", "name", Kind::text, "the LUN", true},
    {"--cache", "cache", Kind::text, "cache mode", false, kCaches},
    {"--location", "location", Kind::text, "free text: where the disk is"},
    {"--write-protect", "write_protect", Kind::on_off, "whether hosts are kept from writing", false, "on|off"},
};
constexpr Argument kLunResize[] = {
    {"NAME", "name", Kind::text, "the LUN", true},
    {"SIZE", "size", Kind::size, "its new capacity", true},
    {"--allow-shrink", "allow_shrink", Kind::flag, "give up what lies behind the new end"},
};
constexpr Argument kLunRename[] = {
    {"NAME", "name", Kind::text, "the LUN", true},
    {"NEW", "to", Kind::text, "its new name", true},
};
constexpr Argument kLunImport[] = {
    {"FILE", "file", Kind::text, "raw disk image in an import directory or store", true},
    {"--as", "name", Kind::text, "name of the new LUN; else the file's"},
    {"--copy", "in_place", Kind::flag, "copy the image (this is the default)", false, {}, false},
    {"--in-place", "in_place", Kind::flag, "make the file itself the container"},
    {"--store", "store", Kind::text, "store that holds the container"},
    {"--block-size", "block_size", Kind::text, "logical and physical block", false, kBlockSizes},
    {"--cache", "cache", Kind::text, "cache mode", false, kCaches},
    {"--thick", "thick", Kind::flag, "allocate all space now"},
    {"--removable", "removable", Kind::flag, "say that the medium is removable"},
    {"--location", "location", Kind::text, "free text: where the disk is"},
};
constexpr Argument kLunAdopt[] = {
    {"FILE", "file", Kind::text, "container inside the store, such as db1.img", true},
    {"--store", "store", Kind::text, "store that holds it"},
    {"--size", "capacity", Kind::size, "its capacity, if the file's length does not tell"},
};
constexpr Argument kLunOnline[] = {
    {"NAME", "name", Kind::text, "the LUN", true},
    {"--accept-loss", "accept_loss", Kind::flag, "serve it although acknowledged writes were lost"},
};
constexpr Argument kHostCreate[] = {
    {"NAME", "name", Kind::text, "name of the new host; '*': any initiator", true},
    {"--iqn", "iqns", Kind::texts, "initiator name; may be given several times"},
    {"--chap-user", "chap_user", Kind::text, "CHAP name; else the host's"},
    {"--chap-secret-file", "chap_secret", Kind::secret_file, "file with its secret, '-': standard input; else one is generated"},
    {"--mutual", "mutual", Kind::flag, "the target proves itself too, with a generated secret"},
    {"--mutual-user", "mutual_user", Kind::text, "CHAP name of the target"},
    {"--mutual-secret-file", "mutual_secret", Kind::secret_file, "file with the target's secret"},
    {"--no-auth", "no_auth", Kind::flag, "let it in by its name alone"},
    {"--quota", "quota", Kind::size, "what it may allocate"},
};
constexpr Argument kHostSet[] = {
    {"NAME", "name", Kind::text, "the host", true},
    {"--add-iqn", "add_iqns", Kind::texts, "one more initiator name"},
    {"--remove-iqn", "remove_iqns", Kind::texts, "no longer this initiator name"},
    {"--quota", "quota", Kind::size, "what it may allocate; 0: no limit"},
    {"--chap-user", "chap_user", Kind::text, "CHAP name"},
    {"--chap-secret-file", "chap_secret", Kind::secret_file, "file with its secret, '-': standard input"},
    {"--new-secret", "new_secret", Kind::flag, "generate a new secret"},
    {"--mutual", "mutual", Kind::flag, "the target proves itself too"},
    {"--no-mutual", "mutual", Kind::flag, "the target proves itself no longer", false, {}, false},
    {"--mutual-user", "mutual_user", Kind::text, "CHAP name of the target"},
    {"--mutual-secret-file", "mutual_secret", Kind::secret_file, "file with the target's secret"},
    {"--no-auth", "no_auth", Kind::flag, "let it in by its name alone; forgets its secrets"},
};
constexpr Argument kHostHelp[] = {
    {"SYSTEM", "", Kind::text, "operating system of the host", true, "linux|windows|esxi"},
    {"--portal", "", Kind::text, "ADDR:PORT of the gateway, to fill in"},
    {"--target", "", Kind::text, "target name, to fill in"},
    {"--chap-user", "", Kind::text, "CHAP name, to fill in"},
};
constexpr Argument kAccessGrant[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"HOST", "host", Kind::text, "who gets it", true},
    {"--read-only", "read_only", Kind::flag, "no writing"},
    {"--quota", "quota", Kind::size, "what the host may allocate in it"},
    {"--lun-number", "lun_number", Kind::number, "its number below the target"},
    {"--allow", "allow", Kind::words, "verbs the host may use: snapshot,restore,resize,trim"},
};
constexpr Argument kLunAndHost[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"HOST", "host", Kind::text, "the host", true},
};
constexpr Argument kAccessRedirect[] = {
    {"LUN", "lun", Kind::text, "the LUN", true},
    {"HOST", "host", Kind::text, "the host", true},
    {"--to", "to", Kind::text, "ADDR:PORT that its logins are sent to"},
    {"--permanent", "permanent", Kind::flag, "initiators need not come back here"},
    {"--remove", "remove", Kind::flag, "logins stay here again"},
};
constexpr Argument kFilters[] = {
    {"--lun", "lun", Kind::text, "only those of this LUN"},
    {"--host", "host", Kind::text, "only those of this host"},
};
constexpr Argument kSessionDrop[] = {
    {"ID", "id", Kind::text, "the session, as `session list` names it", true},
};
constexpr Argument kFile[] = {
    {"FILE", "file", Kind::path, "the backup, on the gateway's machine", true},
};
constexpr Argument kEvents[] = {
    {"--after", "after", Kind::number, "those after this sequence number; else the newest"},
    {"--limit", "limit", Kind::number, "how many at most (100)"},
};

/// A bare name is one inside the store when the file becomes the container
/// itself; any other is a path here.
Outcome<> place_import(const Typed& typed, google::protobuf::Message& request);

constexpr Command kCommands[] = {
    {"store", "add", "serve LUNs from a directory", Op::store_add, kStoreAdd, "store '{name}'", "added"},
    {"store", "list", "show all stores", Op::store_list, {}},
    {"store", "show", "show one store", Op::store_show, kName},
    {"store", "remove", "forget an empty store; its directory stays", Op::store_remove, kName, "store '{name}'", "removed"},

    {"lun", "create", "make a LUN", Op::lun_create, kLunCreate, "LUN '{name}'", "created"},
    {"lun", "list", "show all LUNs", Op::lun_list, kLunList},
    {"lun", "show", "show everything about one LUN", Op::lun_show, kName},
    {"lun", "set", "change attributes", Op::lun_set, kLunSet, "LUN '{name}'", "changed"},
    {"lun", "resize", "grow or shrink", Op::lun_resize, kLunResize, "LUN '{name}'", "resized"},
    {"lun", "rename", "give it another name; hosts see no difference", Op::lun_rename, kLunRename, "LUN '{name}'", "renamed to '{to}'"},
    {"lun", "import", "make a LUN of a raw disk image", Op::lun_import, kLunImport, "image '{file}'", "imported", false, place_import},
    {"lun", "adopt", "take up a container that the catalog does not know or agree with", Op::lun_adopt, kLunAdopt, "container '{file}'", "adopted"},
    {"lun", "online", "serve it", Op::lun_online, kLunOnline, "LUN '{name}'", "brought online"},
    {"lun", "offline", "stop serving it", Op::lun_offline, kName, "LUN '{name}'", "taken offline"},
    {"lun", "delete", "remove a LUN and its data for good", Op::lun_delete, kName, "LUN '{name}'", "deleted", true},

    {"host", "create", "make a client identity", Op::host_create, kHostCreate, "host '{name}'", "created"},
    {"host", "list", "show all hosts", Op::host_list, {}},
    {"host", "show", "show one host", Op::host_show, kName},
    {"host", "set", "change a host", Op::host_set, kHostSet, "host '{name}'", "changed"},
    {"host", "delete", "remove a host that has no access to a LUN", Op::host_delete, kName, "host '{name}'", "deleted", true},
    {"host", "help", "what to type on the host", std::nullopt, kHostHelp, {}, {}, false, nullptr, host_help},

    {"access", "grant", "let a host use a LUN", Op::access_grant, kAccessGrant, "access of host '{host}' to LUN '{lun}'", "granted"},
    {"access", "list", "show who may use what", Op::access_list, kFilters},
    {"access", "revoke", "end a host's access to a LUN", Op::access_revoke, kLunAndHost, "access of host '{host}' to LUN '{lun}'", "revoked"},
    {"access", "redirect", "send a host's logins to another portal or gateway", Op::access_redirect, kAccessRedirect, "redirect of host '{host}' for LUN '{lun}'", "changed"},

    {"session", "list", "show who is logged in", Op::session_list, kFilters},
    {"session", "drop", "end a session", Op::session_drop, kSessionDrop, "session '{id}'", "dropped"},

    {"catalog", "rebuild", "take up what the trailers of all containers say", Op::catalog_rebuild, {}, "catalog", "rebuilt"},
    {"catalog", "backup", "write a copy of the catalog", Op::catalog_backup, kFile, "catalog", "copied to '{file}'"},
    {"catalog", "restore", "put a copy in place of the catalog", Op::catalog_restore, kFile, "catalog", "restored from '{file}'", true},

    {"status", "", "show how the gateway is", Op::status, {}},
    {"events", "", "show what happened", Op::events, kEvents},
};
// clang-format on

struct NounHelp {
  std::string_view noun;
  std::string_view help;
};
constexpr NounHelp kNouns[] = {
    {"store", "directories that hold containers"},
    {"lun", "disks"},
    {"host", "client identities"},
    {"access", "who may use which LUN"},
    {"session", "who is logged in"},
    {"snapshot", "LUNs as they were at an instant"},
    {"schedule", "when snapshots are cut, and how long they are kept"},
    {"policy", "how far snapshots may come in hosts' way"},
    {"catalog", "what the gateway knows"},
};

Outcome<> place_import(const Typed& typed, google::protobuf::Message& request) {
  const auto& file = typed.at("FILE").front();
  const bool inside_store = typed.contains("--in-place") && file.find('/') == std::string::npos;
  if (inside_store) return {};
  const auto* field = request.GetDescriptor()->FindFieldByName("file");
  request.GetReflection()->SetString(&request, field, std::filesystem::absolute(file).string());
  return {};
}

/// Those of snapshots stand before what is about the gateway itself.
std::vector<Command> all_commands() {
  std::vector<Command> all(std::begin(kCommands), std::end(kCommands));
  auto more = snapshot_commands();
  all.insert(std::ranges::find(all, "catalog", &Command::noun), more.begin(), more.end());
  return all;
}

}  // namespace

std::span<const Command> commands() noexcept {
  static const auto all = all_commands();
  return all;
}

std::string_view help_of_noun(std::string_view noun) noexcept {
  const auto* row = std::ranges::find(kNouns, noun, &NounHelp::noun);
  return row != std::end(kNouns) ? row->help : std::string_view{};
}

}  // namespace caisson::cli
