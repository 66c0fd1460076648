import type { PageTexts } from "../../page-texts.js";

export const es: PageTexts = {
  direction: "ltr",
  title: "Una pregunta para usted",
  birthDateChoice: "¿Cuál de estas es su fecha de nacimiento?",
  birthDateSum: "Sume el mes y el día de su nacimiento. ¿Cuál de estos es el resultado?",
  sumExample: "Para el 2 de enero sería 1 + 2 = 3.",
  noneOfThese: "Ninguna de las opciones",
  oneAnswer: "Puede responder una sola vez. Después volverá al chat.",
  answerBefore: "Responda antes de las {time} UTC.",
  timeLeft: "Tiempo restante: {time}",
  timeIsOver: "Se acabó el tiempo. Vuelva al chat.",
  send: "Enviar",
  chooseOne: "Elija una de las respuestas.",
  goneTitle: "Aquí no hay nada",
  gone: "Esta página ya se respondió, su tiempo se acabó o nunca existió. Vuelva al chat y pida allí un enlace nuevo.",
  indexTitle: "Aquí no hay nada que hacer",
  index: "Estas páginas se abren con un enlace que recibe en un chat. Vuelva al chat.",
};
