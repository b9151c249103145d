#!/usr/bin/env node
import * as Command from "effect/cli/Command"
import { demo, leech, seed, tracker } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"
import * as Usage from "./cli/Usage.ts"

main(
  Command.make("freshet").pipe(
    Command.withDescription("Fetch, share and track torrents at the speed of the wire"),
    Command.withSubcommands([leech, seed, tracker, demo])
  ),
  Usage.helpAsFlag
)
