#pragma once

#include <string>

#include "docker/backend.h"
#include "docker/conversation.h"
#include "docker/frames.h"

// What both kinds of backend do with a job.
namespace docker {

// The job as bytes for a supervisor, with the environment's cache folder where the container has
// it.
base::Result<std::string> PrepareJob(const Options& options, const language::Registry& languages,
                                     uint64_t space, uint32_t flags, sandbox::Spec* spec);

// The result of a conversation about a job. `where` names the container in messages.
sandbox::RunResult ToResult(Conversation::Outcome outcome, const Options& options,
                            const std::string& where, bool cancelled);

}  // namespace docker
