#!/usr/bin/env node
import { edit } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(edit)
