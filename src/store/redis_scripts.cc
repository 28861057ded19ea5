#include "store/redis_scripts.h"

#include <string>

#include "store/lua.h"

namespace store {
namespace {

RedisScript Script(const char* source) {
  return RedisScript::Of(std::string(lua::common) + source);
}

}  // namespace

const RedisScripts& Scripts() {
  static const RedisScripts scripts = {
      Script(lua::announce), Script(lua::begin),  Script(lua::cancel),  Script(lua::deliver),
      Script(lua::finish),   Script(lua::get),    Script(lua::keys),    Script(lua::lease),
      Script(lua::list),     Script(lua::output), Script(lua::publish), Script(lua::rate),
      Script(lua::release),  Script(lua::renew),  Script(lua::submit),  Script(lua::sweep),
      Script(lua::usage),
  };
  return scripts;
}

}  // namespace store
