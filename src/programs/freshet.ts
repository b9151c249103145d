#!/usr/bin/env node
import * as Command from "effect/cli/Command"
import { create, demo, edit, leech, seed, show, tracker, verify } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"
import * as Usage from "./cli/Usage.ts"

const COMMANDS = [leech, seed, create, show, verify, edit, tracker, demo] as const

main(
  Command.make("freshet").pipe(
    Command.withDescription("Fetch, share, make and track torrents at the speed of the wire"),
    Command.withSubcommands(COMMANDS)
  ),
  Usage.helpAsFlag(COMMANDS.map(({ name }) => name))
)
