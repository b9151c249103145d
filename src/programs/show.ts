#!/usr/bin/env node
import { show } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(show)
