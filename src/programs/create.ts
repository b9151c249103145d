#!/usr/bin/env node
import { create } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(create)
